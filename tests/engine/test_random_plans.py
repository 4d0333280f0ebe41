"""Random plans, run for real: what each step did must follow from what those above it did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
from hypothesis import HealthCheck, given, settings, strategies as st

from flowbuilder import Context, FlowBuilder, ParallelConfig, RunResult, Status, StepResult, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.endings import assert_each_step_ended_once

EDGES = ("value", "default", "after", "result")
BEHAVIOURS = ("returns", "returns", "returns", "raises", "passes", "recovers", "rescued")
PASSED = "its when was false"


@dataclass(frozen=True)
class Step:
    """One step of a random plan; a mapped one has ``items``, or takes those of the mapped step ``over``."""

    name: str
    kind: str
    behaviours: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    items: int | None = None
    over: str | None = None

    @property
    def mapped(self) -> bool:
        return self.items is not None or self.over is not None


@st.composite
def plans(draw: st.DrawFn) -> list[Step]:
    steps: list[Step] = []
    for number in range(draw(st.integers(1, 10))):
        above = draw(st.lists(st.sampled_from(steps), max_size=3, unique_by=lambda one: one.name)) if steps else []
        over: str | None = None
        items: int | None = None
        if draw(st.integers(0, 3)) == 0:
            maps = [one for one in above if one.mapped]
            goes_on = draw(st.booleans())
            if maps and goes_on:
                over = maps[0].name
            else:
                items = draw(st.integers(0, 3))
        edges = tuple((one.name, draw(st.sampled_from(EDGES))) for one in above if one.name != over)
        behaviours = tuple(draw(st.sampled_from(BEHAVIOURS)) for _ in range(3))
        kind = draw(st.sampled_from(["thread", "loop", "inline"]))
        steps.append(Step(f"s{number}", kind, behaviours, edges, items, over))
    return steps


def added(flow: FlowBuilder, step: Step) -> None:
    """Add a step whose value tells what it was given."""

    def behaviour(ctx: Context) -> str:
        return step.behaviours[(ctx.item or 0) % 3]

    def acts(ctx: Context, given: dict[str, Any]) -> dict[str, Any]:
        if behaviour(ctx) in ("raises", "rescued") or (behaviour(ctx) == "recovers" and ctx.attempt == 1):
            raise ValueError(ctx.step)
        return {key: value.status if isinstance(value, StepResult) else value for key, value in given.items()}

    # A signature made at random: a parameter for each edge, of its own kind, and one for the item of a mapped step.
    names = [f"{name}{NOTES[edge]}" for name, edge in step.edges if edge != "after"]
    parameters = ", ".join([*(["item"] if step.mapped else []), "ctx", *sorted(names, key=lambda one: "=" in one)])
    given = ", ".join(f"{name!r}: {name}" for name, edge in step.edges if edge != "after")
    prefix, pause = ("async ", "await pause(0)") if step.kind == "loop" else ("", "None")
    scope: dict[str, Any] = {"acts": acts, "StepResult": StepResult, "pause": anyio.sleep}
    exec(f"{prefix}def body({parameters}):\n    {pause}\n    return acts(ctx, {{{given}}})", scope)
    rescued = "rescued" in step.behaviours
    flow.step(
        scope["body"],
        name=step.name,
        executor=None if step.kind == "loop" else step.kind,
        after=[name for name, edge in step.edges if edge == "after"],
        each={"item": step.over or list(range(step.items or 0))} if step.mapped else None,
        when=lambda ctx: behaviour(ctx) != "passes",
        retries=1 if "recovers" in step.behaviours else 0,
        on_error=(lambda error, ctx: recovered(error, behaviour(ctx))) if rescued else "fail",
    )


NOTES = {"value": "", "default": "='default'", "result": ": StepResult"}


def recovered(error: BaseException, behaviour: str) -> str:
    if behaviour != "rescued":
        raise error
    return "rescued"


def built(steps: list[Step]) -> Any:
    flow = FlowBuilder("random")
    for step in steps:
        added(flow, step)
    return flow.build()


def blocks(result: StepResult[Any], edge: str) -> bool:
    """Return whether what became of a step above keeps one below from running."""
    if result.status is Status.SUCCESS or edge == "result":
        return False
    is_passed = result.status is Status.SKIPPED and result.reason.endswith(PASSED)
    return not (is_passed and edge in ("default", "after"))


def assert_acted(step: Step, result: StepResult[Any], item: int) -> None:
    """Assert that a step, or an item, that nothing above kept from running acted as its behaviour says."""
    behaviour = step.behaviours[item % 3]
    expected = {"raises": Status.FAILED, "passes": Status.SKIPPED}.get(behaviour, Status.SUCCESS)
    assert result.status is expected
    if behaviour == "passes":
        assert result.reason == PASSED
    elif behaviour == "rescued":
        assert result.value == "rescued"
    elif behaviour == "recovers":
        assert result.attempts == 2


def assert_given(step: Step, result: StepResult[Any], of_all: RunResult[Any]) -> None:
    """Assert that a body was given the values, defaults or statuses of the steps above."""
    if not isinstance(result.raw_value, dict):
        return
    for name, edge in step.edges:
        above = of_all.steps[name]
        if edge == "result":
            assert result.raw_value[name] == above.status
        elif edge != "after":
            expected = above.raw_value if above.status is Status.SUCCESS else "default"
            assert result.raw_value[name] == expected


def assert_follows(step: Step, of_all: RunResult[Any]) -> None:
    """Assert that the result of one step follows from the results of those above it."""
    result = of_all.steps[step.name]
    source = of_all.steps[step.over] if step.over else None
    blocking = [of_all.steps[name] for name, edge in step.edges if blocks(of_all.steps[name], edge)]
    if source is not None and source.items is None:
        blocking.append(source)
    if blocking:
        assert result.status is Status.SKIPPED
        # A failure above weighs more than a false when, whichever came first.
        assert result.reason.endswith(PASSED) == all(above.reason.endswith(PASSED) for above in blocking)
    elif not step.mapped:
        assert_acted(step, result, 0)
        assert_given(step, result, of_all)
    else:
        assert_items_follow(step, result, source, of_all)


def assert_items_follow(
    step: Step, result: StepResult[Any], source: StepResult[Any] | None, of_all: RunResult[Any]
) -> None:
    items = result.items or ()
    assert len(items) == (len(source.items or ()) if source is not None else step.items)
    for number, item in enumerate(items):
        above = (source.items or ())[number] if source is not None else None
        if above is not None and above.status is not Status.SUCCESS:
            assert item.status is Status.SKIPPED
            assert item.reason.endswith(PASSED) == (above.status is Status.SKIPPED and above.reason.endswith(PASSED))
        else:
            assert_acted(step, item, number)
            assert_given(step, item, of_all)
    if any(item.status is Status.FAILED for item in items):
        assert result.status is Status.FAILED
    elif any(item.status is Status.SKIPPED and not item.reason.endswith(PASSED) for item in items):
        assert result.status is Status.SKIPPED
    else:
        assert result.raw_value == [item.raw_value for item in items if item.status is Status.SUCCESS]


def assert_told_in_order(steps: list[Step], recorder: Recorder) -> None:
    """Assert that each step started after those above it had ended."""
    names = [line.split(" ")[1] for line in recorder.told if not line.startswith("batch")]
    last = {name: number for number, name in enumerate(names)}
    for step in steps:
        if f"start {step.name} 1" in recorder.told:
            started = names.index(step.name)
            assert all(last[name] < started for name, _ in step.edges)


@given(
    steps=plans(),
    limit=st.sampled_from([None, 1, 2]),
    schedule=st.sampled_from(["eager", "batches"]),
    backend=st.sampled_from(["asyncio", "trio"]),
)
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_result_follows_from_those_above_it(
    steps: list[Step], limit: int | None, schedule: Any, backend: Backend
) -> None:
    recorder = Recorder()
    config = ParallelConfig(max_concurrency=limit, schedule=schedule)
    result = run(built(steps), config=config, backend=backend, plugins=[recorder])

    for step in steps:
        assert_follows(step, result)
    assert_each_step_ended_once(recorder)
    assert_told_in_order(steps, recorder)
    failed = any(step.status is Status.FAILED for step in result.steps.values())
    assert result.status is (Status.FAILED if failed else Status.SUCCESS)


@given(steps=plans(), limit=st.sampled_from([None, 1, 2]), allowed=st.integers(1, 3))
@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
def test_a_run_that_stops_at_a_failure_still_ends_every_step_once(
    steps: list[Step], limit: int | None, allowed: int
) -> None:
    recorder = Recorder()
    result = run(built(steps), config=ParallelConfig(max_concurrency=limit, max_failures=allowed), plugins=[recorder])
    assert set(result.steps) == {step.name for step in steps}
    assert_each_step_ended_once(recorder)
    assert_told_in_order(steps, recorder)
    failures = [one for step in result.steps.values() for one in step.items or (step,) if one.status is Status.FAILED]
    assert len(failures) >= allowed or not any("stopped" in step.reason for step in result.steps.values())
