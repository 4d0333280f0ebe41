"""A registry plans workflows by name, as functions, as what a builder built, and single steps."""

from __future__ import annotations

import pytest

from flowbuilder import FlowBuilder, Registry, registry, step, workflow
from flowbuilder.errors import DefinitionError, FlowBuilderError, UnknownNameError


def flows() -> Registry:
    made = Registry()
    made.step(name="rows")(lambda root: [root])
    made.step(name="total")(lambda rows: len(rows))
    made.workflow(name="nightly")(lambda total: total)
    made.provider(name="api")(lambda: "api")
    return made


def test_a_workflow_is_planned_by_name_with_its_inputs() -> None:
    plan = flows().plan("nightly", params={"root": "a"})
    assert ([one.name for one in plan.steps], plan.params) == (["rows", "total", "nightly"], {"root": "a"})


def test_a_workflow_is_planned_as_function_definition_or_what_was_built() -> None:
    made = Registry()

    @made.workflow
    def report() -> None: ...

    built = FlowBuilder("built").step(lambda: 1, name="one").build()
    for given, name in ((report, "report"), (made["report"], "report"), ("report", "report"), (built, "built")):
        assert made.plan(given).name == name


def test_a_step_is_a_workflow_of_itself_and_its_upstream() -> None:
    made = flows()
    workflow = made.workflow_of("total")
    assert (workflow.name, workflow.value_of, workflow.where) == ("total", "total", made["total"].where)
    assert [one.name for one in made.plan("total", {"root": "a"}).steps] == ["rows", "total"]


@pytest.mark.parametrize("thing", ["api", print, 5, None])
def test_what_is_no_workflow_is_refused(thing: object) -> None:
    with pytest.raises(DefinitionError) as caught:
        flows().plan(thing)
    assert str(caught.value) == (
        f"this is no workflow\n  got: {thing!r}\n  allowed: a @workflow, a @step, what .build() gave, or a name"
    )


def test_a_builder_that_was_not_built_is_told_what_is_missing() -> None:
    with pytest.raises(DefinitionError, match=r"\n  hint: add \.build\(\)$"):
        Registry().workflow_of(FlowBuilder("unbuilt"))


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"did you mean 'nightly'\?"):
        flows().plan("nigthly")


def test_a_refused_plan_starts_nothing_and_the_next_one_is_right() -> None:
    made = flows()
    with pytest.raises(FlowBuilderError, match="'rows' needs 'root'"):
        made.plan("nightly")
    assert made.plan("nightly", {"root": "a"}).params == {"root": "a"}


def test_the_packages_own_registry_receives_bare_decorators_and_stays_lexical() -> None:
    @step
    def a_bare_step() -> None: ...

    @workflow
    def a_bare_workflow(a_bare_step: None) -> None: ...

    assert registry["a_bare_step"].fn is a_bare_step
    assert "a_bare_step" not in registry.own()
    assert [one.name for one in registry.plan(a_bare_workflow).steps] == ["a_bare_step", "a_bare_workflow"]
