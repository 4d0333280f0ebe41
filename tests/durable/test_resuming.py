"""Resuming from code: what succeeded is not done again, everything else is."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, RunResult, Status, Until, run
from flowbuilder.durable.resuming import look_back
from flowbuilder.durable.resumption import ResumeWords
from flowbuilder.errors import RunRefusedError, StepLostError, UnknownNameError
from flowbuilder.runner import Backend
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import (
    AttemptMade,
    AttemptRow,
    Encoded,
    RunBegan,
    RunQuery,
    RunRow,
    Unit,
    UnitEnded,
    UnitRow,
)
from flowbuilder.store.values import encode
from tests.store.samples import write


class Bodies:
    """Steps that note that they ran, and fail as often as they are told to."""

    def __init__(self, **failures: int) -> None:
        self.ran: list[str] = []
        self.failures = failures

    def ran_once(self, name: str) -> None:
        self.ran.append(name)
        if self.failures.get(name, 0) > 0:
            self.failures[name] -= 1
            raise ValueError(f"{name} fails")

    def again(self) -> list[str]:
        """Return what ran since the last time this was asked."""
        ran, self.ran = sorted(self.ran), []
        return ran


def diamond(bodies: Bodies, **words: Any) -> Any:
    def top() -> int:
        bodies.ran_once("top")
        return 1

    def left(top: int) -> tuple[int, ...]:
        bodies.ran_once("left")
        return (top,)

    async def right(top: int) -> int:
        bodies.ran_once("right")
        return top + 1

    def bottom(left: tuple[int, ...], right: int) -> Any:
        bodies.ran_once("bottom")
        return left, right

    flow = FlowBuilder("diamond").step(top).step(left, **words.get("left", {})).step(right).step(bottom)
    return flow.build()


def run_id(store: MemoryStore) -> str:
    return store.runs(RunQuery())[0].run_id


def test_a_failed_step_and_what_follows_run_again_and_nothing_else(store: MemoryStore, backend: Backend) -> None:
    bodies = Bodies(right=1)
    first = run(diamond(bodies), store=store, backend=backend)
    assert (first.status, bodies.again()) == (Status.FAILED, ["left", "right", "top"])
    second = run(diamond(bodies), store=store, resume=first.run_id, backend=backend)
    assert (second.status, second.run_id, bodies.again()) == (Status.SUCCESS, first.run_id, ["bottom", "right"])
    assert second.steps["bottom"].value == ((1,), 2)
    assert [(second.steps[name].reason, second.steps[name].attempts) for name in ("top", "right")] == [
        ("kept", 1),
        ("", 2),
    ]
    assert [row.status for row in store.runs(RunQuery())] == ["success"]


def test_a_run_that_succeeded_is_not_resumed(store: MemoryStore) -> None:
    first = run(diamond(Bodies()), store=store)
    with pytest.raises(RunRefusedError, match="has succeeded: nothing is left of it to do"):
        run(diamond(Bodies()), store=store, resume=first.run_id)


def test_a_run_that_is_not_there_is_named(store: MemoryStore) -> None:
    first = run(diamond(Bodies(top=1)), store=store)
    with pytest.raises(UnknownNameError) as refused:
        run(diamond(Bodies()), store=store, resume="nobody")
    assert str(refused.value) == f"there is no run named 'nobody'\n  allowed: {first.run_id}"


def mapped(bodies: Bodies, items: list[int]) -> Any:
    def square(x: int) -> int:
        bodies.ran_once(f"square {x}")
        return x * x

    def negative(square: int) -> int:
        bodies.ran_once(f"negative {square}")
        return -square

    def total(negative: list[int]) -> int:
        bodies.ran_once("total")
        return sum(negative)

    flow = FlowBuilder("mapped").step(square, each={"x": items})
    return flow.step(negative, each={"square": "square"}).step(total).build()


def test_items_that_succeeded_are_kept_through_maps_of_maps(store: MemoryStore, backend: Backend) -> None:
    bodies = Bodies(**{"square 3": 1, "negative 4": 1})
    first = run(mapped(bodies, [1, 2, 3]), store=store, backend=backend)
    bodies.again()
    second = run(mapped(bodies, [1, 2, 3]), store=store, resume=first.run_id, backend=backend)
    assert bodies.again() == ["negative 4", "negative 9", "square 3", "total"]
    assert second.steps["total"].value == -14
    assert [item.reason for item in second.steps["square"].items or ()] == ["kept", "kept", ""]


def test_a_mapped_step_whose_items_all_succeeded_runs_none_of_them(store: MemoryStore, backend: Backend) -> None:
    bodies = Bodies(total=1)
    first = run(mapped(bodies, [1, 2, 3]), store=store, backend=backend)
    bodies.again()
    second = run(mapped(bodies, [1, 2, 3]), store=store, resume=first.run_id, backend=backend)
    assert (second.status, bodies.again()) == (Status.SUCCESS, ["total"])


def test_other_items_in_the_flow_are_a_change_that_is_refused(store: MemoryStore) -> None:
    first = run(mapped(Bodies(total=1), [1, 2]), store=store)
    with pytest.raises(
        RunRefusedError, match=r"steps of the run \w+ that have finished were changed\n  got: square had"
    ):
        run(mapped(Bodies(), [1, 5]), store=store, resume=first.run_id)


def test_a_step_that_is_gone_is_refused(store: MemoryStore) -> None:
    def only() -> None: ...

    first = run(diamond(Bodies(bottom=1)), store=store)
    with pytest.raises(RunRefusedError, match=r"got: top is gone; \w+ is gone; \w+ is gone\n  hint: --accept-changes"):
        run(FlowBuilder("diamond").step(only).build(), store=store, resume=first.run_id)


def test_batches_go_on_behind_what_is_kept(store: MemoryStore, backend: Backend) -> None:
    bodies, config = Bodies(right=1), ParallelConfig(schedule="batches")
    first = run(diamond(bodies), store=store, config=config, backend=backend)
    bodies.again()
    second = run(diamond(bodies), store=store, config=config, resume=first.run_id, backend=backend)
    assert (second.status, bodies.again()) == (Status.SUCCESS, ["bottom", "right"])


def test_other_inputs_are_refused_and_the_old_ones_are_the_default(store: MemoryStore) -> None:
    seen: list[int] = []

    def work(size: int) -> None:
        seen.append(size)
        if len(seen) == 1:
            raise ValueError

    flow = FlowBuilder("flow").step(work).build()
    first = run(flow, store=store, params={"size": 3})
    with pytest.raises(RunRefusedError) as refused:
        run(flow, store=store, params={"size": 4}, resume=first.run_id)
    assert str(refused.value) == (
        f"the run {first.run_id} began with another value of 'size'\n  got: 4\n  allowed: 3\n  hint: start a new run"
    )
    run(flow, store=store, resume=first.run_id)
    assert seen == [3, 3]


def test_a_secret_is_not_kept_and_has_to_be_given_again(store: MemoryStore) -> None:
    seen: list[str] = []

    def work(api_token: str) -> None:
        seen.append(api_token)
        if len(seen) == 1:
            raise ValueError

    flow = FlowBuilder("flow").step(work).build()
    first = run(flow, store=store, params={"api_token": "hush"})
    (row,) = store.runs(RunQuery())
    assert (dict(row.params), dict(row.shown)) == ({}, {"api_token": "***"})
    run(flow, store=store, params={"api_token": "other"}, resume=first.run_id)
    assert seen == ["hush", "other"]


# Runs whose process died: what a store has of them is written by hand.


def died(store: MemoryStore, workflow: str, *entries: Any, **facts: Any) -> RunRow:
    row = RunRow(run_id="dead", workflow=workflow, status="running", started_at=time.time(), **facts)
    assert write(store, RunBegan(row), *entries) is None
    (found,) = store.runs(RunQuery())
    assert found.status == "interrupted"
    return found


def attempt(step: str, number: int, status: str = "", **facts: Any) -> AttemptMade:
    return AttemptMade("dead", AttemptRow(unit=Unit(step), number=number, started_at=1.0, status=status, **facts))


def success(step: str, value: Any) -> UnitEnded:
    row = UnitRow(unit=Unit(step), status="success", attempts=1, started_at=1.0, value=encode(value))
    return UnitEnded("dead", row)


def one_step(body: Callable[..., Any], **words: Any) -> Any:
    return FlowBuilder("flow").step(body, name="work", **words).build()


def test_a_step_in_flight_gets_the_next_attempt_number(store: MemoryStore, backend: Backend) -> None:
    def work(ctx: Context) -> int:
        return ctx.attempt

    died(store, "flow", attempt("work", 1), attempt("work", 2))
    result = run(one_step(work), store=store, resume="dead", backend=backend)
    assert (result.steps["work"].value, result.steps["work"].attempts) == (3, 3)
    assert [one.number for one in store.attempts("dead")] == [1, 2]


@pytest.mark.parametrize(
    ("made", "left"),
    [
        ([attempt("work", 1)], 3),
        ([attempt("work", 1, "failed"), attempt("work", 2)], 2),
        ([attempt("work", 1, "failed"), attempt("work", 2, "failed")], 1),
        ([attempt("work", 1, "cancelled")], 3),
    ],
)
def test_retries_that_failed_are_used_up_and_those_that_died_are_not(
    store: MemoryStore, backend: Backend, made: list[Any], left: int
) -> None:
    numbers: list[int] = []

    def work(ctx: Context) -> None:
        numbers.append(ctx.attempt)
        raise ValueError

    died(store, "flow", *made)
    result: RunResult[Any] = run(one_step(work, retries=2), store=store, resume="dead", backend=backend)
    assert result.status is Status.FAILED
    assert numbers == list(range(len(made) + 1, len(made) + 1 + left))


def test_a_step_that_failed_for_good_has_all_its_retries_again(store: MemoryStore, backend: Backend) -> None:
    bodies = Bodies(work=100)
    flow = one_step(lambda: bodies.ran_once("work"), retries=1)
    first = run(flow, store=store, backend=backend)
    run(flow, store=store, resume=first.run_id, backend=backend)
    assert len(bodies.again()) == 4
    assert [(one.number, one.is_past) for one in store.attempts(first.run_id)] == [
        (1, True), (2, True), (3, False), (4, False),
    ]  # fmt: skip


def test_a_retry_that_was_not_due_yet_is_waited_for(store: MemoryStore, backend: Backend) -> None:
    due = time.time() + 0.3
    died(store, "flow", attempt("work", 1, "failed", due_at=due))
    begun: list[float] = []
    result = run(one_step(lambda: begun.append(time.time()), retries=1), store=store, resume="dead", backend=backend)
    assert (result.status, result.steps["work"].attempts) == (Status.SUCCESS, 2)
    assert begun[0] >= due


def test_a_run_that_is_stopped_while_it_waits_for_a_retry_skips_it(store: MemoryStore, backend: Backend) -> None:
    def bad() -> None:
        raise ValueError

    died(store, "flow", attempt("work", 1, "failed", due_at=time.time() + 60))
    flow = FlowBuilder("flow").step(lambda: None, name="work", retries=1).step(bad).build()
    result = run(flow, store=store, resume="dead", config=ParallelConfig(fail_fast=True), backend=backend)
    assert result.steps["work"].status is Status.SKIPPED


def test_a_step_that_may_not_be_repeated_is_lost_and_left_to_the_user(store: MemoryStore, backend: Backend) -> None:
    bodies = Bodies()
    flow = one_step(lambda: bodies.ran_once("work"), idempotent=False)
    died(store, "flow", attempt("work", 1))
    for _ in range(2):
        result = run(flow, store=store, resume="dead", backend=backend)
        assert isinstance(result.steps["work"].error, StepLostError)
        assert (result.status, bodies.again(), store.units("dead")[0].status) == (Status.FAILED, [], "lost")


def test_a_step_that_may_not_be_repeated_begins_after_its_start_is_written(
    store: MemoryStore, backend: Backend
) -> None:
    flow = one_step(lambda: len(store.attempts(run_id(store))), idempotent=False)
    assert run(flow, store=store, backend=backend).value == {"work": 1}


def test_a_repeated_step_begins_its_rounds_anew(store: MemoryStore, backend: Backend) -> None:
    def work(ctx: Context) -> tuple[int, int]:
        return ctx.round, ctx.attempt

    died(store, "flow", attempt("work", 1, "repeated"), attempt("work", 2, "repeated"), attempt("work", 3))
    until = Until(lambda result: result[0] == 2, every=0.001)
    result = run(one_step(work, until=until), store=store, resume="dead", backend=backend)
    assert result.steps["work"].value == (2, 5)


def test_a_value_that_was_not_stored_is_made_again_and_what_it_was_for_is_kept(store: MemoryStore) -> None:
    bodies = Bodies()
    unstored = UnitEnded("dead", UnitRow(unit=Unit("top"), status="success", attempts=1))
    row = died(store, "diamond", unstored, success("left", (1,)))
    plan = _plan(diamond(bodies))
    found = look_back(store, row, plan, ResumeWords())
    assert dict(found.again) == {
        "top": "result not stored",
        "right": "had not started",
        "bottom": "had not started",
    }
    result = run(diamond(bodies), store=store, resume="dead")
    assert (result.status, bodies.again()) == (Status.SUCCESS, ["bottom", "right", "top"])


def test_what_has_not_begun_is_said_of_many_as_of_one(store: MemoryStore) -> None:
    row = died(store, "diamond")
    found = look_back(store, row, _plan(diamond(Bodies())), ResumeWords())
    assert list(found.lines()) == ["kept: nothing", "runs: top, left, right, bottom: had not started"]


def test_a_rerun_takes_all_that_follows_with_it(store: MemoryStore) -> None:
    row = died(store, "diamond", *(success(name, 1) for name in ("top", "left", "right", "bottom")))
    found = look_back(store, row, _plan(diamond(Bodies())), ResumeWords(rerun=("left",)))
    assert list(found.lines()) == [
        "kept: 2 steps (top, right)",
        "runs: left: --rerun",
        "runs: bottom: follows from what runs again",
    ]
    assert set(found.forgotten) == {Unit("left"), Unit("bottom")}
    with pytest.raises(UnknownNameError, match="there is no step in this workflow named 'lft'"):
        look_back(store, row, _plan(diamond(Bodies())), ResumeWords(rerun=("lft",)))


def test_a_run_that_dies_again_and_again_at_one_step_is_refused_at_last(store: MemoryStore) -> None:
    plan = _plan(one_step(lambda: None))
    row = died(store, "flow", attempt("work", 1), deaths=3, died_at="work")
    found = look_back(store, row, plan, ResumeWords())
    assert (found.deaths, found.died_at) == (4, "work")
    row = RunRow(run_id="dead", workflow="flow", status="interrupted", deaths=4, died_at="work")
    with pytest.raises(RunRefusedError) as refused:
        look_back(store, row, plan, ResumeWords())
    assert str(refused.value) == (
        "the run dead died 5 times in a row at work\n  hint: mend that first; --rerun work tries again"
    )
    assert look_back(store, row, plan, ResumeWords(rerun=("work",))).kept.attempts == {"work": 1}


def test_changed_code_is_kept_and_named(store: MemoryStore) -> None:
    first = run(one_step(lambda: 1), store=store)
    row = store.run(first.run_id)
    assert row is not None
    assert look_back(store, row, _plan(one_step(lambda: 1)), ResumeWords()).changed == ()
    assert look_back(store, row, _plan(one_step(lambda: 2)), ResumeWords()).changed == ("work",)


def _plan(workflow: Any) -> Any:
    from flowbuilder import Registry

    return Registry().plan(workflow)


def test_an_attempt_that_was_only_noted_counts_and_is_written(store: MemoryStore, backend: Backend) -> None:
    def work(ctx: Context) -> int:
        return ctx.attempt

    died(store, "flow", attempt("work", 1, "failed"))
    claim = store.claim("dead")
    claim.begin(Unit("work"), 2)
    claim.release()
    result = run(one_step(work, retries=1), store=store, resume="dead", backend=backend)
    assert result.steps["work"].value == 3
    assert [(one.number, one.status) for one in store.attempts("dead")] == [(1, "failed"), (2, "")]


def test_a_success_that_was_dropped_counts_as_an_attempt_and_not_as_one_that_died(store: MemoryStore) -> None:
    row = died(store, "flow", attempt("work", 1), success("work", 1))
    write(store, RunBegan(row, is_resumed=True, forgotten=(Unit("work"),)))
    result = run(one_step(lambda ctx: ctx.attempt, idempotent=False), store=store, resume="dead")
    assert result.value == {"work": 2}


def test_an_input_that_cannot_be_read_any_more_is_named(store: MemoryStore) -> None:
    died(store, "flow", params={"x": Encoded("pickle", b"cgone\nThing\n.")})
    with pytest.raises(RunRefusedError) as refused:
        run(one_step(lambda x: x), store=store, resume="dead")
    assert str(refused.value) == (
        "the value of 'x' that the run dead began with cannot be read any more\n"
        "  got: ModuleNotFoundError: No module named 'gone'\n  hint: start a new run"
    )


def test_a_result_that_cannot_be_read_any_more_is_made_again(store: MemoryStore) -> None:
    unit = Unit("work")
    row = UnitRow(unit=unit, status="success", attempts=1, value=Encoded("pickle", b"cgone\nThing\n."))
    died(store, "flow", UnitEnded("dead", row))
    result = run(one_step(lambda: 1), store=store, resume="dead")
    assert (result.status, result.value) == (Status.SUCCESS, {"work": 1})
