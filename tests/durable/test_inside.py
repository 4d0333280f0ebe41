"""What ran inside a body that had not ended is not done again when its run goes on."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, InnerCounts, ParallelConfig, RunResult, Status, Until, run, step
from flowbuilder.durable.resuming import look_back
from flowbuilder.durable.resumption import ResumeWords, Resumption
from flowbuilder.errors import RunRefusedError
from flowbuilder.runner import Backend
from flowbuilder.store.contract import Draft, Then
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.rows import (
    AttemptMade,
    AttemptRow,
    Entry,
    InnerMade,
    InnerRow,
    RunBegan,
    RunQuery,
    RunRow,
    Unit,
)
from flowbuilder.testing import Recorder
from tests.durable.conftest import Kept
from tests.store.samples import write

ran: list[Any] = []
broken: set[Any] = set()


@pytest.fixture(autouse=True)
def nothing_ran() -> Iterator[None]:
    yield
    ran.clear()
    broken.clear()


def again() -> list[Any]:
    """Return what ran since the last time this was asked."""
    found = sorted(ran, key=str)
    ran.clear()
    return found


def fetch(n: int) -> int:
    ran.append(n)
    if n in broken:
        raise ValueError(n)
    return n * 2


async def fetch_later(n: int) -> int:
    await anyio.sleep(0)
    return fetch(n)


async def in_the_loop(ctx: Context) -> Any:
    found = [await ctx.run(fetch, 1), await ctx.run(fetch_later, n=2), *await ctx.map(fetch, range(3, 6))]
    fetch(100)
    return found


def in_a_thread(ctx: Context) -> Any:
    found = [ctx.run_sync(fetch, 1), ctx.run_sync(fetch_later, n=2), *ctx.map_sync(fetch, range(3, 6))]
    fetch(100)
    return found


def flow_of(body: Any, **words: Any) -> Any:
    return FlowBuilder("flow").step(body, name="crawl", **words).build()


def looked_back(store: MemoryStore, flow: Any, **words: Any) -> Resumption:
    from flowbuilder import Registry

    (row,) = store.runs(RunQuery())
    return look_back(store, row, Registry().plan(flow), ResumeWords(**words))


def resumed(store: MemoryStore, flow: Any, backend: Backend, **words: Any) -> RunResult[Any]:
    (row,) = store.runs(RunQuery())
    return run(flow, store=store, resume=row.run_id, backend=backend, **words)


@pytest.mark.parametrize("body", [in_the_loop, in_a_thread])
@pytest.mark.parametrize("slots", [1, 4])
def test_calls_that_succeeded_are_not_made_again(body: Any, slots: int, store: MemoryStore, backend: Backend) -> None:
    broken.update({4, 100})
    flow, config = flow_of(body), ParallelConfig(max_concurrency=slots)
    first = run(flow, store=store, backend=backend, config=config)
    assert (first.status, again()) == (Status.FAILED, [1, 2, 3, 4, 5])
    broken.discard(4)
    assert resumed(store, flow, backend, config=config).status is Status.FAILED
    assert again() == [100, 4]
    broken.clear()
    result = resumed(store, flow, backend, config=config)
    assert (result.steps["crawl"].value, again()) == ([2, 4, 6, 8, 10], [100])
    assert (result.steps["crawl"].inner, result.notes) == (InnerCounts(success=5), ())


def test_what_is_kept_is_not_told_again(store: MemoryStore, backend: Backend) -> None:
    broken.update({100})
    recorder = Recorder()
    run(flow_of(in_the_loop), store=store, backend=backend)
    resumed(store, flow_of(in_the_loop), backend, plugins=[recorder])
    assert [line for line in recorder.told if "crawl/" in line] == ["start crawl/fetch~2 1", "finish crawl/fetch~2"]


def test_when_the_step_has_ended_its_calls_are_dropped_and_counted(store: MemoryStore, backend: Backend) -> None:
    result = run(flow_of(in_the_loop), store=store, backend=backend)
    assert store.inner(result.run_id) == []
    assert [row.inside for row in store.units(result.run_id)] == [{"success": 5}]


def test_they_stand_when_the_body_hears_of_them(store: MemoryStore, backend: Backend) -> None:
    seen: list[int] = []

    async def crawl(ctx: Context) -> None:
        for n in range(3):
            await ctx.run(fetch, n)
            seen.append(len(store.inner(ctx.run_id)))
        await ctx.map(fetch, range(10))
        seen.append(len(store.inner(ctx.run_id)))

    run(flow_of(crawl), store=store, backend=backend)
    assert seen == [1, 2, 3, 13]


def test_items_of_a_mapped_step_have_each_their_own(store: MemoryStore, backend: Backend) -> None:
    async def crawl(n: int, ctx: Context) -> int:
        await ctx.run(fetch, 1)
        return await ctx.run(fetch, n)

    broken.add(11)
    flow = flow_of(crawl, each={"n": [10, 11]})
    run(flow, store=store, backend=backend)
    assert again() == [1, 1, 10, 11]
    broken.clear()
    assert (resumed(store, flow, backend).steps["crawl"].value, again()) == ([20, 22], [11])


# How a call is known again.


def test_other_arguments_are_another_call_and_equal_ones_are_told_apart_by_their_number(
    store: MemoryStore, backend: Backend
) -> None:
    numbers = [1, 1, 2]

    async def crawl(ctx: Context) -> list[int]:
        found = [await ctx.run(fetch, n) for n in numbers]
        fetch(100)
        return found

    broken.add(100)
    run(flow_of(crawl), store=store, backend=backend)
    again()
    broken.clear()
    numbers[:] = [2, 1, 3, 1, 1]
    assert (resumed(store, flow_of(crawl), backend).value, again()) == ({"crawl": [4, 2, 6, 2, 2]}, [1, 100, 3])


def test_concurrent_calls_are_known_by_what_they_are_given_in_whatever_order_they_come(
    store: MemoryStore, backend: Backend
) -> None:
    order = list(range(20))

    async def crawl(ctx: Context) -> dict[int, int]:
        found: dict[int, int] = {}

        async def one(n: int) -> None:
            found[n] = await ctx.run(fetch_later, n)

        async with anyio.create_task_group() as group:
            for n in order:
                group.start_soon(one, n)
        fetch(100)
        return found

    broken.add(100)
    run(flow_of(crawl), store=store, backend=backend)
    again()
    broken.clear()
    order.reverse()
    result = resumed(store, flow_of(crawl), backend)
    assert (result.value["crawl"], again()) == ({n: 2 * n for n in range(20)}, [100])


async def branch(n: int, ctx: Context) -> int:
    found = await ctx.map(fetch, [n, n + 1])
    fetch(50 + n)
    return sum(found)


async def tree(ctx: Context) -> int:
    found = await ctx.map(branch, [10, 20])
    fetch(100)
    return sum(found)


def test_what_runs_deeper_is_kept_too(store: MemoryStore, backend: Backend) -> None:
    broken.update({70, 100})
    run(flow_of(tree), store=store, backend=backend)
    assert again() == [10, 11, 20, 21, 60, 70]
    broken.remove(70)
    resumed(store, flow_of(tree), backend)
    assert again() == [100, 70]
    assert list(looked_back(store, flow_of(tree)).lines())[:2] == ["kept: nothing", "kept inside: crawl 6 calls"]


@step(retries=1)
async def shaky(n: int, ctx: Context) -> int:
    found = await ctx.run(fetch, n + 10 * ctx.attempt)
    if ctx.attempt == 1:
        raise ValueError
    return found


def test_retries_inside_find_again_what_they_did_themselves(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> int:
        found = await ctx.map(shaky, [1, 2])
        fetch(100)
        return sum(found)

    broken.update({22, 100})
    run(flow_of(crawl), store=store, backend=backend)
    assert again() == [11, 12, 21, 22]
    broken.clear()
    assert (resumed(store, flow_of(crawl), backend).value, again()) == ({"crawl": 86}, [100, 22])


def test_a_body_that_is_tried_again_or_repeated_begins_anew(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> int:
        await ctx.run(fetch, 1)
        fetch(100 + ctx.attempt)
        return ctx.round

    broken.update({101, 103})
    until = Until(lambda result: result == 2, every=0)
    flow = flow_of(crawl, retries=1, until=until)
    run(flow, store=store, backend=backend)
    assert again() == [1, 1, 1, 1, 101, 102, 103, 104]


def test_of_a_loop_that_begins_its_rounds_anew_nothing_is_kept(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> int:
        await ctx.run(fetch, 1)
        fetch(100 + ctx.attempt)
        return ctx.round

    broken.add(102)
    flow = flow_of(crawl, until=Until(lambda result: result == 2, every=0))
    run(flow, store=store, backend=backend)
    again()
    resumed(store, flow, backend)
    assert again() == [1, 1, 103, 104]


# Functions that are made in a body.


def test_functions_made_in_a_body_are_known_by_what_they_have_from_it(store: MemoryStore, backend: Backend) -> None:
    more = 0

    async def crawl(ctx: Context) -> Any:
        factor = 3 + more
        found = [await ctx.run(lambda: fetch(1 * factor)), await ctx.run(lambda: fetch(2 * factor))]
        found += [await ctx.run(lambda n=n: fetch(n)) for n in (40, 41)]

        async def deeper(n: int) -> int:
            return await ctx.run(fetch, n * factor)

        found += [await ctx.run(deeper, 5)]
        fetch(100)
        return found

    broken.add(100)
    run(flow_of(crawl), store=store, backend=backend)
    assert again() == [100, 15, 3, 40, 41, 6]
    assert resumed(store, flow_of(crawl), backend).notes == ()
    assert again() == [100]
    more = 1
    resumed(store, flow_of(crawl), backend)
    assert again() == [100, 20, 4, 8]


def test_a_step_made_in_a_body_is_known_by_what_it_has_from_it_as_any_function_is(
    store: MemoryStore, backend: Backend
) -> None:
    factor = 2

    async def crawl(ctx: Context) -> Any:
        own = factor

        @step
        def times(n: int) -> int:
            return fetch(n * own)

        return await ctx.map(times, [1, 2]), fetch(100)

    broken.add(100)
    run(flow_of(crawl), store=store, backend=backend)
    assert again() == [100, 2, 4]
    resumed(store, flow_of(crawl), backend)
    assert again() == [100]
    factor = 3
    resumed(store, flow_of(crawl), backend)
    assert again() == [100, 3, 6]


def test_a_function_that_shares_what_may_change_runs_again_and_says_so_once(
    store: MemoryStore, backend: Backend
) -> None:
    async def crawl(ctx: Context) -> Any:
        seen: list[int] = []
        count = 0

        def visit(n: int) -> None:
            seen.append(fetch(n))

        def tally(n: int) -> None:
            nonlocal count
            count += fetch(n)

        for _ in range(2):
            await ctx.map(visit, [1, 2], limit=1)
        await ctx.run(tally, 3)
        return fetch(100), seen, count

    broken.add(100)
    first = run(flow_of(crawl), store=store, backend=backend)
    assert again() == [1, 1, 100, 2, 2, 3]
    visit, tally = first.notes
    assert visit == (
        "crawl/visit would run again if this run is resumed:"
        " its variable seen is [], which it shares with the body it is from"
    )
    assert tally.endswith(", which changes count of the body it is from")
    broken.clear()
    assert resumed(store, flow_of(crawl), backend).value == {"crawl": (200, [2, 4, 2, 4], 6)}


def test_what_a_body_has_from_providers_is_known_by_its_name(store: MemoryStore, backend: Backend) -> None:
    class Client:
        pass

    def client() -> Client:
        return Client()

    async def crawl(client: Client, ctx: Context) -> list[int]:
        found = await ctx.map(fetch_with, [1, 2], client=client)
        fetch(100)
        return found

    from flowbuilder import Registry

    flows = Registry()
    flows.provider(client)
    flow = FlowBuilder("flow").step(crawl).build()
    broken.add(100)
    first = run(flow, store=store, backend=backend, registry=flows)
    assert (first.notes, again()) == ((), [1, 100, 2])
    resumed(store, flow, backend, registry=flows)
    assert again() == [100]


def fetch_with(n: int, client: Any) -> int:
    return fetch(n)


def test_an_argument_that_says_nothing_stable_is_named_and_its_call_is_made_again(
    store: MemoryStore, backend: Backend
) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.map(fetch_with, [1, 2], client=threading.Lock())
        fetch(100)

    broken.add(100)
    first = run(flow_of(crawl), store=store, backend=backend)
    (note,) = first.notes
    assert note.startswith("crawl/fetch_with would run again if this run is resumed: client is <unlocked _thread.lock")
    again()
    resumed(store, flow_of(crawl), backend)
    assert again() == [1, 100, 2]


def opaque(n: int) -> Any:
    ran.append(n)
    return threading.Lock()


def test_a_result_that_cannot_be_stored_is_said_once_and_made_again(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        await ctx.map(opaque, [1, 2])
        fetch(100)

    broken.add(100)
    first = run(flow_of(crawl), store=store, backend=backend)
    (note,) = first.notes
    assert note.startswith("crawl/opaque would run again if this run is resumed: its result is <unlocked _thread.lock")
    again()
    resumed(store, flow_of(crawl), backend)
    assert again() == [1, 100, 2]


# What is not kept.


def test_a_rerun_forgets_what_ran_inside_and_so_does_what_follows(store: MemoryStore, backend: Backend) -> None:
    def first() -> int:
        return 1

    async def crawl(first: int, ctx: Context) -> None:
        await ctx.run(fetch, 1)
        fetch(100)

    flow = FlowBuilder("flow").step(first).step(crawl).build()
    broken.add(100)
    run(flow, store=store, backend=backend)
    assert list(looked_back(store, flow).lines()) == [
        "kept: 1 step (first)", "kept inside: crawl 1 call", "runs: crawl: failed",
    ]  # fmt: skip
    for name in ("crawl", "first"):
        found = looked_back(store, flow, rerun=(name,))
        assert (found.inside, [str(unit) for unit in found.unmade]) == ({}, ["crawl"])


def test_what_ran_inside_a_step_that_was_undone_is_forgotten(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(fetch, 1)
        return threading.Lock()  # so what ran inside is kept, although it has ended

    def after(crawl: Any) -> None:
        fetch(100)

    flow = FlowBuilder("flow").step(crawl, undo=lambda: None).step(after).build()
    broken.add(100)
    result = run(flow, store=store, backend=backend)
    assert (result.steps["crawl"].undone, store.inner(result.run_id)) == (True, [])


def test_what_ran_inside_a_step_whose_result_cannot_be_stored_is_kept(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        await ctx.run(fetch, 1)
        return threading.Lock()

    def after(crawl: Any) -> None:
        fetch(100)

    flow = FlowBuilder("flow").step(crawl).step(after).build()
    broken.add(100)
    run(flow, store=store, backend=backend)
    again()
    resumed(store, flow, backend)
    assert again() == [100]


def test_a_call_that_was_rescued_is_a_success_that_is_kept(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> Any:
        found = await ctx.run(rescued, 1), await ctx.run(given_up, 2)
        fetch(100)
        return found

    broken.update({1, 2, 100})
    run(flow_of(crawl), store=store, backend=backend)
    assert again() == [1, 100, 2]
    broken.clear()
    assert (resumed(store, flow_of(crawl), backend).value, again()) == ({"crawl": (-1, None)}, [100])


@step(on_error=lambda error: -1)
def rescued(n: int) -> int:
    return fetch(n)


@step(on_error="continue")
def given_up(n: int) -> int:
    return fetch(n)


def test_changed_code_of_what_was_called_is_kept_and_named(
    store: MemoryStore, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken.add(100)
    run(flow_of(in_the_loop), store=store, backend=backend)
    monkeypatch.setattr(fetch_later, "__code__", fetch_anew.__code__)
    again()
    result = resumed(store, flow_of(in_the_loop), backend)
    assert again() == [100]
    assert result.notes == ("crawl/fetch_later is kept although changed since; --rerun crawl runs it again",)


async def fetch_anew(n: int) -> int:
    return fetch(n) + 1


# What died on the way.


@step(idempotent=False)
def pay(n: int) -> int:
    ran.append(n)
    return n


async def shop(ctx: Context) -> int:
    await ctx.run(fetch, 1)
    paid = await ctx.run(pay, 7)
    fetch(100)
    return paid


def test_a_call_that_must_not_be_repeated_is_written_before_it_begins_and_kept_when_it_succeeds(
    store: MemoryStore, backend: Backend
) -> None:
    broken.add(100)
    run(flow_of(shop), store=store, backend=backend)
    broken.clear()
    again()
    assert (resumed(store, flow_of(shop), backend).value, again()) == ({"crawl": 7}, [100])


class Witness(MemoryStore):
    """Keeps what stands in it at a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[InnerRow] = []

    def look(self, run_id: str) -> None:
        self.seen = list(self.inner(run_id))


def died(kept: Kept, seen: list[InnerRow], *more: Entry, **facts: Any) -> MemoryStore:
    """Return a store as a process leaves it that dies in the first attempt of a step, at a moment that was seen."""
    store = kept(MemoryStore())
    row = RunRow(run_id="dead", workflow="flow", started_at=1.0, **facts)
    attempt = AttemptRow(unit=Unit("crawl"), number=1, started_at=1.0)
    write(store, RunBegan(row), AttemptMade("dead", attempt), *(InnerMade("dead", one) for one in seen), *more)
    return store


def seen_in_pay(kept: Kept, backend: Backend) -> list[InnerRow]:
    store = kept(Witness())

    @step(idempotent=False)
    def pay(n: int, ctx: Context) -> int:
        store.look(ctx.run_id)
        return n

    async def crawl(ctx: Context) -> int:
        await ctx.run(fetch, 1)
        return await ctx.run(pay, 7)

    run(flow_of(crawl), store=store, backend=backend)
    again()
    return store.seen


def test_a_step_in_which_such_a_call_was_running_is_lost_and_left_to_the_user(kept: Kept, backend: Backend) -> None:
    seen = seen_in_pay(kept, backend)
    assert [(row.name, row.status) for row in seen] == [("fetch", "success"), ("pay", "begun")]
    store, flow = died(kept, seen), flow_of(shop)
    assert list(looked_back(store, flow).lines()) == [
        "kept: nothing",
        "kept inside: crawl 1 call",
        "runs: crawl: nobody knows whether crawl/pay finished, so it is left to you (--rerun-lost)",
    ]
    for _ in range(2):
        (error,) = resumed(store, flow, backend).errors
        assert str(error) == (
            "crawl/pay was running when its process died, and it is not to be repeated (idempotent=False):"
            " look whether it did its work; resume --rerun-lost does it again"
        )
        assert (again(), store.units("dead")[0].status) == ([], "lost")
    assert not looked_back(store, flow, rerun_lost=True).kept.lost


def test_a_call_that_must_not_be_repeated_and_failed_has_not_been_lost(store: MemoryStore, backend: Backend) -> None:
    async def crawl(ctx: Context) -> None:
        try:
            await ctx.run(fetch_once, 1)
        except ValueError:
            ran.append(len(store.inner(ctx.run_id)))

    broken.add(1)
    run(flow_of(crawl), store=store, backend=backend)
    assert again() == [0, 1]


@step(idempotent=False)
def fetch_once(n: int) -> int:
    return fetch(n)


def test_a_body_that_got_on_is_no_crash_loop(kept: Kept) -> None:
    row = InnerRow(unit=Unit("crawl"), key=b"1", name="fetch", attempt=1)
    assert looked_back(died(kept, [row], deaths=4, died_at="crawl"), flow_of(shop)).deaths == 1
    with pytest.raises(RunRefusedError, match="died 5 times in a row at crawl"):
        looked_back(died(kept, [], deaths=4, died_at="crawl"), flow_of(shop))


# A map that is large.


class Held(MemoryStore):
    """Writes no end before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def write(self, draft: Draft, then: Then | None = None, *, sync: bool = True, here: bool = False) -> None:
        def held_back() -> Any:
            entries = list(draft())
            assert not any(isinstance(one, InnerMade) for one in entries) or self.gate.wait(10)
            return entries

        super().write(held_back, then, sync=sync, here=here)


gates: list[threading.Event] = []


async def visit(n: int) -> int:
    ran.append(n)
    if len(ran) == 40:
        gates.pop().set()
    return n


def test_slots_do_not_wait_for_what_is_being_written(kept: Kept, backend: Backend) -> None:
    store = kept(Held())
    gates.append(store.gate)

    async def crawl(ctx: Context) -> int:
        return sum(await ctx.map(visit, range(50)))

    result = run(flow_of(crawl), store=store, config=ParallelConfig(max_concurrency=4), backend=backend)
    assert (result.value, result.notes) == ({"crawl": sum(range(50))}, ())


MANY = 4_000


@pytest.mark.usefixtures("unmeasured")
def test_a_map_costs_half_a_kib_an_item_at_most_when_it_is_made_and_when_it_is_kept(tmp_path: Path) -> None:
    sizes: list[float] = []

    async def crawl(ctx: Context) -> int:
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        found = await ctx.map(fetch_later, range(MANY))
        gc.collect()
        sizes.append((tracemalloc.get_traced_memory()[0] - before) / MANY)
        ran.clear()
        fetch(-1)
        return len(found)

    broken.add(-1)
    tracemalloc.start()
    try:
        first = run(flow_of(crawl), store=tmp_path / "runs.db")
        broken.clear()
        result = run(flow_of(crawl), store=tmp_path / "runs.db", resume=first.run_id)
    finally:
        tracemalloc.stop()
    assert (result.value, again()) == ({"crawl": MANY}, [-1])
    assert max(sizes) < 512
