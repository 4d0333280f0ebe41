"""What would only show while running, and can be known before, stops the plan with its own message."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, FlowBuilderError, Registry, StepResult, Until
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.plan import Plan

FILE = __file__


class Stats:
    """A class of the user's own."""


def sources() -> list[str]:
    return []


def measure(path: str) -> Stats:
    return Stats()


def summary(measure: list[Stats]) -> str:
    return ""


def wrong_summary(measure: Stats) -> str:
    return ""


def count() -> int:
    return 1


def doubled(count: str) -> None: ...


def seen(count: StepResult[str]) -> None: ...


def each_int(number: int) -> None: ...


def module_step(x: int = 1) -> int:
    return x


def place(fn: Any) -> str:
    return f"{FILE}:{fn.__code__.co_firstlineno}"


def planned(flow: WorkflowDefinition, **words: Any) -> Plan:
    return Registry().plan(flow, **words)


def refused(flow: WorkflowDefinition, **words: Any) -> str:
    with pytest.raises(FlowBuilderError) as caught:
        planned(flow, **words)
    return str(caught.value)


def flow(*fns: Any, **last: Any) -> WorkflowDefinition:
    builder = FlowBuilder("flow")
    for fn in fns[:-1]:
        builder.step(fn)
    return builder.step(fns[-1], **last).build()


def mapped(*fns: Any) -> FlowBuilder:
    builder = FlowBuilder("flow").step(sources).step(measure, each={"path": "sources"})
    return builder.parallel(*fns)


# Edges.


def test_annotations_that_contradict_each_other_are_refused() -> None:
    assert refused(flow(count, doubled)) == (
        f"'doubled' wants count: str, but 'count' gives int ({place(doubled)})\n  allowed: count: int"
    )


def test_who_takes_a_mapped_step_takes_a_list() -> None:
    assert planned(mapped(summary).build()).steps
    assert refused(mapped(wrong_summary).build()) == (
        "'wrong_summary' wants measure: Stats, but 'measure' gives"
        f" list[{__name__}.Stats], one result for each item ({place(wrong_summary)})"
        f"\n  allowed: measure: list[{__name__}.Stats]"
    )


def test_a_mapped_step_without_a_type_still_gives_a_list() -> None:
    builder = FlowBuilder("flow").step(lambda path: 1, name="measure", each={"path": ["a"]}).step(wrong_summary)
    assert "gives list[Any], one result for each item" in refused(builder.build())


def test_who_takes_the_result_object_takes_it_of_any_type() -> None:
    assert planned(flow(count, seen)).by_name["seen"].bindings[0].wants_result


def test_a_rescue_may_give_another_type() -> None:
    rescued = FlowBuilder("flow").step(count, on_error=lambda: "none").step(doubled).build()
    assert planned(rescued).steps
    assert "gives int" in refused(FlowBuilder("flow").step(count, on_error="continue").step(doubled).build())


def test_a_body_is_held_to_its_annotations() -> None:
    flows = Registry()
    flows.step(count)

    @flows.workflow
    def report(count: list[int]) -> None: ...

    del count.__flowbuilder__  # type: ignore[attr-defined]  # the attribute the decorator set
    with pytest.raises(FlowBuilderError, match="'report' wants count: list\\[int\\], but 'count' gives int"):
        flows.plan(report)


# Maps.


def test_a_source_that_plainly_has_no_items_is_refused() -> None:
    assert refused(flow(count, each_int, each={"number": "count"})) == (
        f"'each_int' is called once per item of 'count', which gives int ({place(each_int)})"
        "\n  allowed: a step that returns a list, as in -> list[int]"
    )


def test_items_of_another_type_are_refused() -> None:
    assert refused(flow(sources, each_int, each={"number": "sources"})) == (
        f"'each_int' is called once per item of 'sources', which are str, and wants number: int ({place(each_int)})"
        "\n  allowed: number: str"
    )


def test_items_of_a_map_are_what_its_body_returns() -> None:
    builder = mapped().step(each_int, each={"number": "measure"})
    assert "of 'measure', which are Stats, and wants number: int" in refused(builder.build())
    assert planned(mapped().step(lambda stats: 1, name="next", each={"stats": "measure"}).build()).steps


def test_results_cannot_be_mapped_over() -> None:
    def told(measure: StepResult[Stats]) -> None: ...

    assert refused(mapped().step(told, each={"measure": "measure"}).build()) == (
        f"each= gives 'told' values, not results ({place(told)})"
        "\n  allowed: StepResult[…] for a parameter that takes a whole step"
    )


def test_sources_known_to_be_of_uneven_length_are_refused() -> None:
    def pair(a: int, b: int) -> None: ...

    uneven = flow(pair, each={"a": [1, 2], "b": "numbers"})
    assert refused(uneven, params={"numbers": [1]}) == (
        f"the sources of each= have different lengths ({place(pair)})\n  got: 'a' has 2, 'b' has 1"
        "\n  hint: they are taken item by item, so each needs as many as the others"
    )
    assert planned(uneven, params={"numbers": [1, 2]}).steps
    assert planned(uneven, options=PlanOptions(lenient=True)).steps


def test_an_override_that_is_no_list_cannot_be_mapped_over() -> None:
    assert refused(mapped().build(), overrides={"sources": 5}) == (
        f"'measure' is called once per item of 'sources', which is no list ({place(measure)})\n  got: 5"
        "\n  allowed: a list, a tuple, or what else has a length and an order"
    )


# Colours, executors and workers.


def test_an_object_that_is_called_as_an_async_function_is_one() -> None:
    class Later:
        async def __call__(self) -> bool:
            return True

    assert "its when= is async" in refused(flow(count, when=Later()))


def test_an_async_predicate_of_until_beside_a_plain_step_is_refused() -> None:
    async def later() -> bool:
        return True

    assert refused(flow(count, until=Until(later))) == (
        f"'count' is a plain def, but its until= is async ({place(count)})\n  hint: make both async def, or both def"
    )


@pytest.mark.parametrize("word", ["when", "on_error", "undo"])
def test_an_async_function_beside_a_plain_step_is_refused(word: str) -> None:
    async def later() -> bool:
        return True

    assert refused(flow(count, **{word: later})) == (
        f"'count' is a plain def, but its {word}= is async ({place(count)})\n  hint: make both async def, or both def"
    )


def test_an_async_step_takes_functions_of_either_colour() -> None:
    async def fetch() -> None: ...

    async def later() -> bool:
        return True

    assert planned(flow(fetch, when=later, on_error=lambda: None)).by_name["fetch"].executor == "loop"


def test_an_executor_nobody_brings_is_refused_with_the_nearest() -> None:
    assert refused(flow(count, executor="proces")) == (
        f"there is no executor named 'proces' ({place(count)})\n  allowed: inline, process, thread"
        "\n  hint: did you mean 'process'?"
    )
    options = PlanOptions(executors=frozenset({"thread", "dask"}))
    assert planned(flow(count, executor="dask"), options=options).steps[0].executor == "dask"


def test_another_default_executor_takes_the_place_of_threads() -> None:
    async def fetch() -> None: ...

    flows = FlowBuilder("flow").step(count).step(fetch).step(sources, executor="inline")
    flow = flows.step(module_step, timeout=5).step(measure, executor="thread", each={"path": ["a"]}).build()
    plan = planned(flow, options=PlanOptions(default_executor="process"))
    assert [step.executor for step in plan.steps] == ["process", "loop", "inline", "process", "thread"]
    inline = planned(flow, options=PlanOptions(default_executor="inline"))
    assert [step.executor for step in inline.steps] == ["inline", "loop", "inline", "thread", "thread"]


class Loader:
    def load(self) -> int:
        return 1


def test_a_module_function_can_be_sent_to_a_worker() -> None:
    assert planned(flow(module_step, executor="process")).steps
    assert planned(flow(functools.partial(module_step, 2), name="two", executor="process")).steps


def local() -> Callable[[], int]:
    def inner() -> int:
        return 1

    return inner


def renamed() -> int:
    return 1


first_renamed = renamed


def renamed() -> int:  # type: ignore[no-redef]  # that is the point
    return 2


@pytest.mark.parametrize(
    ("fn", "why", "hint"),
    [
        (local(), "it is defined inside a function", "move it to the top of its module"),
        (lambda: 1, "it is a lambda", "make it a def at the top of its module"),
        (Loader().load, "it is a method of an object", "make it a function"),
        (first_renamed, f"{__name__}.renamed is another function by now", "give each def a name of its own"),
    ],
)
def test_what_a_worker_cannot_import_is_refused(fn: Any, why: str, hint: str) -> None:
    text = refused(flow(fn, name="sent", executor="process")).splitlines()
    assert text[0].startswith(f"'sent' cannot run in a worker process: {why} ({FILE}:")
    assert text[1:] == [f'  hint: {hint}, or use executor="thread"']


def test_main_is_never_executed_in_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_step, "__module__", "__main__")
    text = refused(flow(module_step, executor="process"))
    assert "it is defined in __main__" in text
    assert "hint: move it to a module that can be imported" in text


def test_a_decorator_above_step_changes_nothing_about_sending() -> None:
    @functools.wraps(module_step)
    def timed(*args: Any, **kwargs: Any) -> Any:
        return module_step(*args, **kwargs)

    original = globals()["module_step"]
    globals()["module_step"] = timed
    try:
        assert planned(flow(original, executor="process")).steps
    finally:
        globals()["module_step"] = original


def test_a_process_step_takes_no_provider_but_its_predicate_may() -> None:
    flows = Registry()

    @flows.provider
    def x() -> Iterator[int]:
        yield 1

    sent = FlowBuilder("flow").step(module_step, executor="process").build()
    with pytest.raises(FlowBuilderError) as caught:
        flows.plan(sent)
    assert str(caught.value) == (
        f"'module_step' cannot run in a worker process: it requests the provider 'x' ({place(module_step)})"
        '\n  hint: open it in the step, or use executor="thread"'
    )
    asked = FlowBuilder("flow").step(count, executor="process", when=lambda x: x > 0).build()
    assert flows.plan(asked).by_name["count"].providers == ("x",)


# Providers.


def test_a_provider_requests_providers_and_inputs_only() -> None:
    flows = Registry()

    @flows.provider
    def api(base: str, key: str = "k") -> str:
        return base

    @flows.provider
    def base(url: str) -> str:
        return url

    @flows.step
    def fetch(api: str) -> None: ...

    plan = flows.plan(fetch, {"url": "https://example.org"})
    assert list(plan.providers) == ["base", "api"]
    assert list(plan.inputs) == ["key", "url"]


def test_a_provider_that_requests_ctx_is_refused() -> None:
    flows = Registry()

    @flows.provider
    def api(ctx: Context) -> None: ...

    @flows.step
    def fetch(api: None) -> None: ...

    with pytest.raises(FlowBuilderError) as caught:
        flows.plan(fetch)
    assert str(caught.value) == (
        f"the provider 'api' requests ctx ({place(api)})\n  allowed: a provider may request providers and inputs"
    )


def timed(fn: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


flows_of_module = Registry()


@timed
@flows_of_module.step
def passed_by() -> int:
    return 1


@flows_of_module.step
@timed
def timed_inside() -> int:
    return 1


def test_a_decorator_above_step_is_warned_of() -> None:
    line = passed_by.__wrapped__.__code__.co_firstlineno  # type: ignore[attr-defined]  # functools.wraps sets it
    assert flows_of_module.plan(passed_by).warnings == (
        f"passed_by: a decorator stands above FlowBuilder's own and is passed by; put it below ({FILE}:{line})",
    )
    assert flows_of_module.plan(timed_inside).warnings == ()
