"""What definitions say of themselves where they are printed."""

from __future__ import annotations

from flowbuilder import provider, step, workflow
from flowbuilder.declare.definitions import definition_of


def test_a_definition_is_printed_as_its_name_and_place() -> None:
    @step(retries=3, tags=("a", "b"))
    def load(path: str) -> int:
        return 1

    @provider
    def client() -> int:
        return 1

    @workflow(steps=[load])
    def sales(load: int) -> int:
        return load

    found = [repr(definition_of(one)) for one in (load, client, sales)]
    where = definition_of(load).where  # type: ignore[union-attr]  # it was declared above
    assert found[0] == f"<StepDefinition 'load' at {__file__}:{where.line}>"
    assert found[1].startswith(f"<ProviderDefinition 'client' at {__file__}:")
    assert found[2].startswith(f"<WorkflowDefinition 'sales' at {__file__}:")
