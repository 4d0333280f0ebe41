"""FlowBuilder builds the workflow object that decorators give, from plain functions."""

from __future__ import annotations

import functools
import inspect

import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, WorkflowDefinition
from flowbuilder.errors import DefinitionError, DuplicateNameError

FILE = __file__


def load() -> list[int]:
    return [1]


def clean(rows: list[int]) -> list[int]:
    return rows


def save(clean: list[int]) -> None: ...


def here() -> int:
    """Return the line of the caller."""
    return inspect.currentframe().f_back.f_lineno  # type: ignore[union-attr]  # CPython has frames


def after(flow: WorkflowDefinition) -> dict[str, list[str]]:
    return {step.name: [one.name for one in step.after] for step in flow.steps}


def test_methods_return_the_builder_and_build_the_workflow() -> None:
    config = ParallelConfig(max_concurrency=2)
    builder, line = FlowBuilder("etl"), here()
    assert builder.step(load).parallel(clean).then(save).with_config(config) is builder
    flow = builder.build()
    assert isinstance(flow, WorkflowDefinition)
    assert (flow.name, flow.config, flow.fn) == ("etl", config, None)
    assert str(flow.where) == f"{FILE}:{line}"
    assert list(flow.own) == ["load", "clean", "save"]


def test_chaining_does_not_order() -> None:
    assert after(FlowBuilder("etl").step(load).step(save).build()) == {"load": [], "save": []}


def test_then_comes_after_all_that_was_added_so_far() -> None:
    flow = FlowBuilder("etl").parallel(load, clean).then(save).step(here).then(after).build()
    assert after(flow) == {"load": [], "clean": [], "save": ["load", "clean"], "here": [], "after": ["save", "here"]}


def test_then_keeps_its_own_after() -> None:
    flow = FlowBuilder("etl").step(load).then(clean).then(save, after=[load]).build()
    assert after(flow)["save"] == ["load", "clean"]


def test_a_long_chain_of_thens_stays_small() -> None:
    builder = FlowBuilder("chain")
    for number in range(2000):
        builder.then(load, name=f"s{number}")
    assert max(len(step.after) for step in builder.build().steps) == 1


def test_a_plain_function_stands_for_its_step() -> None:
    flow = FlowBuilder("etl").step(load, name="rows").step(clean, needs={"rows": load}, after=[load]).build()
    first, second = flow.steps
    assert second.needs["rows"] is first
    assert second.after == (first,)


def test_a_plain_function_may_be_a_source_of_items() -> None:
    flow = FlowBuilder("etl").step(load).step(clean, each={"rows": load}).build()
    assert flow.steps[1].each["rows"] is flow.steps[0]


def test_a_decorated_function_is_added_as_it_is() -> None:
    flows = Registry()
    decorated = flows.step(name="one", retries=2)(lambda: 1)
    assert FlowBuilder("etl").step(decorated).build().steps == (flows["one"],)


def test_a_decorated_function_with_words_is_a_step_of_its_own() -> None:
    flows = Registry()

    @flows.step(retries=2)
    def fetch() -> list[int]:
        return []

    flow = FlowBuilder("etl").step(fetch, retries=5).step(clean, needs={"rows": fetch}).build()
    first, second = flow.steps
    assert (first.retries.n, flows.steps["fetch"].retries.n) == (5, 2)
    assert second.needs["rows"] is first


def test_partials_make_many_steps_of_one_function() -> None:
    builder = FlowBuilder("etl")
    for table in ("orders", "users"):
        builder.step(functools.partial(clean, rows=[len(table)]), name=f"load_{table}")
    assert [step.name for step in builder.build().steps] == ["load_orders", "load_users"]


def test_a_built_workflow_is_not_changed_by_what_is_added_later() -> None:
    builder = FlowBuilder("etl").step(load)
    flow = builder.build()
    builder.step(save)
    assert (len(flow.steps), list(flow.own), len(builder.build().steps)) == (1, ["load"], 2)
    with pytest.raises(TypeError):
        flow.own["x"] = flow.steps[0]  # type: ignore[index]  # that is the point


def test_a_workflow_without_steps_is_refused() -> None:
    builder, line = FlowBuilder("etl"), here()
    with pytest.raises(DefinitionError) as caught:
        builder.build()
    assert str(caught.value) == f"the workflow 'etl' has no step ({FILE}:{line})\n  hint: add one: .step(fn)"


def test_a_wrong_name_names_the_place() -> None:
    with pytest.raises(DefinitionError, match=rf"this name cannot be used: it is empty \({FILE}:\d+\)"):
        FlowBuilder("")


def test_one_name_twice_is_refused_naming_both_places() -> None:
    with pytest.raises(DuplicateNameError, match=r"the name 'load' is defined twice"):
        FlowBuilder("etl").step(load).step(save, name="load")


def test_one_function_twice_is_told_to_take_names() -> None:
    with pytest.raises(DuplicateNameError) as caught:
        FlowBuilder("etl").step(load).step(load)
    place = f"{FILE}:{load.__code__.co_firstlineno}"
    assert str(caught.value) == (
        f"the name 'load' is defined twice ({place})\n  got: {place}, twice"
        "\n  hint: steps, workflows and providers share one namespace: rename one, or give it name="
    )


def test_a_function_that_is_no_step_yet_cannot_be_needed() -> None:
    with pytest.raises(DefinitionError) as caught:
        FlowBuilder("etl").step(clean, needs={"rows": load})
    line = here() - 1
    assert str(caught.value) == f"'load' is no step of 'etl' ({FILE}:{line})\n  hint: add it first: .step(fn)"


def test_a_function_that_is_several_steps_is_needed_by_name() -> None:
    builder = FlowBuilder("etl").step(load, name="a").step(load, name="b")
    with pytest.raises(DefinitionError) as caught:
        builder.step(clean, needs={"rows": load})
    assert caught.value.what == "'load' is more than one step of 'etl'"
    assert caught.value.hint == "say which one by its name: 'a', 'b'"
    assert builder.step(clean, needs={"rows": "a"}).build().steps[2].needs == {"rows": "a"}


def test_only_steps_and_workflows_are_added() -> None:
    decorated = Registry().provider(name="other")(lambda: 1)
    with pytest.raises(DefinitionError, match="only steps and workflows can be added"):
        FlowBuilder("etl").step(decorated)


def test_a_workflow_is_added_as_it_is() -> None:
    inner, decorated = FlowBuilder("inner").step(load).build(), Registry().workflow(name="body")(lambda: 1)
    builder = FlowBuilder("etl").step(inner).step(decorated).then(clean, needs={"rows": "inner"})
    assert [step.name for step in builder.build().steps] == ["inner", "body", "clean"]
    with pytest.raises(DefinitionError) as caught:
        builder.step(FlowBuilder("more").step(load).build(), retries=1, name="again")
    assert (caught.value.what, caught.value.got) == ("a workflow is added as it is", "retries=, name=")


def test_a_workflow_comes_after_nothing() -> None:
    inner = FlowBuilder("inner").step(load).build()
    with pytest.raises(DefinitionError) as caught:
        FlowBuilder("etl").step(clean, needs={"rows": "load"}).then(inner)  # type: ignore[arg-type]  # that is the point
    assert caught.value.what == "the workflow 'inner' has steps of its own, which wait for none of this one"
    assert caught.value.hint == "add it by .step(), and what comes after it by .then()"


def test_a_wrong_config_is_refused() -> None:
    with pytest.raises(DefinitionError, match="config= takes a ParallelConfig"):
        FlowBuilder("etl").with_config({"max_concurrency": 2})  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("words", [{"needs": 5}, {"each": 5}, {"after": 5}, {"needs": [load]}, {"after": load}])
def test_words_of_the_wrong_shape_are_refused_as_by_the_decorator(words: dict[str, object]) -> None:
    with pytest.raises(DefinitionError, match=r"takes a dict|takes several steps"):
        FlowBuilder("etl").step(clean, **words)  # type: ignore[arg-type]  # that is the point
