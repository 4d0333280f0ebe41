"""What a step returned in an earlier run stands for the same code and inputs, and why not is said where it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from flowbuilder import Cache, CacheNote, Context, FlowBuilder, Registry, StepResult, run
from flowbuilder.runner import Backend
from flowbuilder.store.canonical import Canonical
from flowbuilder.store.memory import MemoryStore
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.testing import Recorder

Store = MemoryStore | SqliteStore


class Calls(list[Any]):
    """What was called: no plain list, since data that a function refers to is part of its code."""


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SqliteStore(tmp_path / "runs.db")
    yield made
    made.close()


def ran(fn: Callable[..., Any], store: Any, **words: Any) -> StepResult[Any]:
    """Return the result of a step that is cached, alone in a run."""
    params, cache = words.pop("params", {}), words.pop("reads", True)
    words.setdefault("cache", True)
    flow = FlowBuilder("flow").step(fn, name="load", **words).build()
    return run(flow, params=params, store=store, cache=cache).raise_for_errors().steps["load"]


def note(result: StepResult[Any]) -> CacheNote:
    assert result.cache is not None
    return result.cache


def counted() -> tuple[Callable[..., Any], Calls]:
    calls = Calls()

    def load(x: Any = 1) -> Any:
        calls.append(x)
        return [x, (x,)]

    return load, calls


def test_a_result_stands_for_the_next_run(store: Store) -> None:
    load, calls = counted()
    first, second = ran(load, store), ran(load, store)
    assert (len(calls), first.value, second.value) == (1, [1, (1,)], [1, (1,)])
    assert note(first) == CacheNote(False, "nothing is stored for it yet")
    assert note(second).is_hit
    assert note(second).reason.endswith(" s ago")


def test_another_input_is_another_result(store: Store) -> None:
    load, calls = counted()
    notes = [note(ran(load, store, params={"x": x})) for x in (1, 2, 1, 1.0)]
    assert calls == [1, 2, 1.0]
    assert [one.is_hit for one in notes] == [False, False, True, False]
    assert notes[1].reason == "nothing is stored for this x"


def test_a_default_is_an_input_like_one_that_is_given(store: Store) -> None:
    load, calls = counted()
    assert not note(ran(load, store)).is_hit
    assert note(ran(load, store, params={"x": 1})).is_hit
    assert calls == [1]


def test_changed_code_is_named(store: Store) -> None:
    def make(text: str) -> Callable[..., Any]:
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(f"def g(): return {text}\ndef load(): return g()", names)
        return names["load"]  # type: ignore[no-any-return]  # it was just made

    assert ran(make("1"), store).value == 1
    assert note(ran(make("1"), store)).is_hit
    changed = ran(make("2"), store)
    assert (changed.value, note(changed).reason) == (2, "its code has changed: g")


def test_a_version_counts(store: Store) -> None:
    load, calls = counted()
    ran(load, store, cache=Cache(version=1))
    assert note(ran(load, store, cache=Cache(version="1"))).reason == "its version has changed"
    assert note(ran(load, store, cache=Cache(version=1))).is_hit
    assert len(calls) == 2


def test_a_key_function_says_what_counts(store: Store, tmp_path: Path) -> None:
    file, calls = tmp_path / "data", Calls()

    def load(path: Path, verbose: bool = False) -> str:
        calls.append(path)
        return path.read_text()

    def key(path: Path) -> bytes:
        return path.read_bytes()

    values = []
    for text, verbose in (("a", False), ("a", True), ("b", True)):
        file.write_text(text)
        values.append(ran(load, store, cache=key, params={"path": file, "verbose": verbose}).value)
    assert (values, len(calls)) == (["a", "a", "b"], 2)


def test_what_is_too_old_is_made_anew(store: Store) -> None:
    load, calls = counted()
    ran(load, store)
    expired = ran(load, store, cache=Cache(expires=1e-9))
    assert note(expired).reason == "what is stored is 0 s old, and expires after 0 s"
    assert note(ran(load, store, cache=Cache(expires=timedelta(hours=1)))).is_hit
    assert len(calls) == 2


def test_what_cannot_be_told_apart_is_not_cached_and_says_so(store: Store) -> None:
    flow = (
        FlowBuilder("flow")
        .step(lambda: {"a": [iter([1])]}, name="rows")
        .step(lambda rows: len(rows), name="load", cache=True)
    )
    results = [run(flow.build(), store=store).raise_for_errors().steps["load"] for _ in range(2)]
    assert [note(one).is_hit for one in results] == [False, False]
    assert note(results[1]).reason.startswith("rows['a'][0] is <list_iterator")
    assert note(results[1]).reason.endswith("which can be read only once; say by key= what counts")


@dataclass
class Odd:
    x: int

    def __getattribute__(self, name: str) -> Any:
        if name == "x":
            raise RuntimeError("no")
        return super().__getattribute__(name)

    def __repr__(self) -> str:
        return "odd"


def test_what_raises_when_it_is_looked_into_is_not_cached(store: Store) -> None:
    def load(x: Any = Odd(1)) -> int:  # noqa: B008 - a default that a user may write
        return 1

    result = ran(load, store)
    assert result.value == 1
    assert note(result).reason == "x is odd, which cannot be looked into (RuntimeError: no); say by key= what counts"


def test_a_result_that_cannot_be_stored_is_made_anew(store: Store) -> None:
    def load() -> Any:
        return threading.Lock()

    ran(load, store)
    assert note(ran(load, store)).reason == "nothing is stored for it yet"


def test_a_failure_is_not_cached_and_neither_is_what_rescues_it(store: Store) -> None:
    def load() -> int:
        raise OSError

    for _ in range(2):
        result = ran(load, store, on_error=lambda: 5)
        assert (result.value, isinstance(result.error, OSError)) == (5, True)
    assert store.cache_rows() == []


def test_a_retry_that_succeeds_is_cached(store: Store) -> None:
    calls = Calls()

    def load(tries: int = 0) -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OSError
        return 5

    ran(load, store, retries=1, cache=Cache(lambda tries: 0))
    assert note(ran(load, store, cache=Cache(lambda tries: 0))).is_hit
    assert len(calls) == 2


def test_without_reading_what_runs_is_kept_anew(store: Store) -> None:
    load, calls = counted()
    ran(load, store)
    assert note(ran(load, store, reads=False)).reason == "nothing is taken from the cache"
    assert note(ran(load, store)).is_hit
    assert len(calls) == 2


def test_items_are_cached_one_by_one(store: Store, backend: Backend) -> None:
    calls = Calls()

    def double(n: int) -> int:
        calls.append(n)
        return 2 * n

    def doubled(items: list[int]) -> Any:
        flow = FlowBuilder("flow").step(double, each={"n": items}, cache=True).build()
        return run(flow, store=store, backend=backend).raise_for_errors().steps["double"]

    assert doubled([1, 2, 3]).value == [2, 4, 6]
    again = doubled([3, 4, 1])
    assert (again.value, sorted(calls)) == ([6, 8, 2], [1, 2, 3, 4])
    assert [note(item).is_hit for item in again.items] == [True, False, True]


def test_items_that_share_an_argument_are_looked_up_at_once(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    both, alone = threading.Barrier(2, timeout=5), Canonical._sequence

    def together(self: Canonical, tag: str, parts: Iterable[Any]) -> bytes:
        if tag == "list":
            both.wait()
        return alone(self, tag, parts)

    monkeypatch.setattr(Canonical, "_sequence", together)
    flow = FlowBuilder("flow").step(lambda x, shared: x, name="load", each={"x": [1, 2]}, cache=True).build()
    result = run(flow, params={"shared": [1]}, store=store).raise_for_errors()
    reasons = [note(item).reason for item in result.steps["load"].items or ()]
    # The later one may find what the other has stored by then.
    assert set(reasons) <= {"nothing is stored for it yet", "nothing is stored for this x"}
    assert len(reasons) == 2


def test_a_when_is_asked_before_the_cache(store: Store) -> None:
    load, calls = counted()
    ran(load, store)
    flow = FlowBuilder("flow").step(load, cache=True, when=lambda: False).build()
    result = run(flow, store=store).steps["load"]
    assert (str(result.status), result.cache, len(calls)) == ("skipped", None, 1)


def test_a_step_with_a_timeout_is_cached(store: Store, backend: Backend) -> None:
    load, calls = counted()
    flow = FlowBuilder("flow").step(load, cache=True, timeout=30).build()
    for _ in range(2):
        run(flow, store=store, backend=backend).raise_for_errors()
    assert len(calls) == 1


def test_an_async_step_is_cached(store: Store, backend: Backend) -> None:
    calls = Calls()

    async def load(x: int = 1) -> int:
        calls.append(x)
        return x

    flow = FlowBuilder("flow").step(load, cache=True).build()
    for _ in range(2):
        assert run(flow, store=store, backend=backend).raise_for_errors().steps["load"].value == 1
    assert calls == [1]


def test_a_look_up_for_an_async_step_does_not_hold_up_the_loop(store: Store, backend: Backend) -> None:
    ran_meanwhile = threading.Event()

    async def load(x: int = 1) -> int:
        return x

    async def other() -> None:
        ran_meanwhile.set()

    def slow(x: int) -> int:
        assert ran_meanwhile.wait(10)
        return x

    flow = FlowBuilder("flow").step(load, cache=slow).step(other).build()
    result = run(flow, store=store, backend=backend).raise_for_errors()
    assert note(result.steps["load"]) == CacheNote(False, "nothing is stored for it yet")


def test_a_hit_starts_and_finishes_as_any_success_and_runs_no_body(store: Store) -> None:
    load, _ = counted()
    ran(load, store)
    recorder = Recorder()
    flow = FlowBuilder("flow").step(load, cache=True).build()
    run(flow, store=store, plugins=[recorder])
    assert [line for line in recorder.told if "load" in line] == ["start load 1", "finish load"]


def test_what_follows_gets_the_value_and_can_be_resumed(store: Store) -> None:
    load, calls = counted()
    broken = Calls([True])

    def use(load: Any) -> Any:
        if broken:
            raise OSError
        return load

    ran(load, store)
    flow = FlowBuilder("flow").step(load, cache=True).step(use).build()
    failed = run(flow, store=store)
    broken.clear()
    went_on = run(flow, store=store, resume=failed.run_id)
    assert went_on.steps["use"].value == [1, (1,)]
    assert calls == [1]


def test_steps_of_one_function_share_results_where_all_is_the_same(store: Store) -> None:
    load, calls = counted()
    for number in (1, 2, 1):
        flow = FlowBuilder("flow").step(partial(load, x=number), name=f"load {number}", cache=True).build()
        run(flow, store=store).raise_for_errors()
    assert calls == [1, 2]


def test_of_a_provider_its_code_and_inputs_count(store: Store) -> None:
    calls = Calls()
    flows = Registry()

    @flows.provider
    def api(url: str = "a") -> Any:
        return threading.Lock()

    @flows.step(cache=True)
    def load(api: Any, ctx: Context) -> int:
        calls.append(ctx.run_id)
        return 1

    hits = []
    for url in ("a", "b", "a"):
        result = run(load, registry=flows, params={"url": url}, store=store).raise_for_errors()
        hits.append(note(result.steps["load"]).is_hit)
    assert hits == [False, False, True]
    assert len(calls) == 2


@dataclass
class Point:
    x: int


def test_a_dataclass_is_an_input_like_any(store: Store) -> None:
    load, calls = counted()
    flow = FlowBuilder("flow").step(lambda: Point(1), name="x").step(load, cache=True).build()
    for _ in range(2):
        run(flow, store=store).raise_for_errors()
    assert len(calls) == 1


def test_a_large_result_is_kept_in_a_file_that_a_purge_leaves(tmp_path: Path) -> None:
    calls = Calls()

    def load() -> bytes:
        calls.append(1)
        return b"x" * 2_000_000

    with closing(SqliteStore(tmp_path / "runs.db")) as kept:
        first = ran(load, kept)
        run_id = note(ran(load, kept)).reason.split(",")[0].removeprefix("run ")
        assert kept.purge([run_id]) == 1
        assert ran(load, kept).value == first.value
        assert kept.clear_cache([row.key for row in kept.cache_rows()]) == 1
        ran(load, kept)
    assert len(calls) == 2


def test_without_a_store_it_is_said_once_and_the_step_runs() -> None:
    load, calls = counted()
    flow = FlowBuilder("flow").step(load, cache=True).step(load, name="other", cache=True).build()
    result = run(flow).raise_for_errors()
    assert result.notes == ("cache= does nothing in this run, which is not kept in a store",)
    assert (result.steps["load"].cache, len(calls)) == (None, 2)


def test_the_result_as_data_says_what_the_cache_had(store: Store) -> None:
    load, _ = counted()
    assert ran(load, store).to_dict()["cache"] == {"hit": False, "reason": "nothing is stored for it yet"}
    assert run(FlowBuilder("flow").step(load).build()).steps["load"].to_dict()["cache"] is None
