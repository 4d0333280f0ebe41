"""Mapped steps: where the items come from, and how they flow on one by one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, Registry, Status, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder


async def _numbers() -> AsyncIterator[int]:
    yield 1


def test_results_keep_the_order_of_the_items_through_maps_of_maps(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [3, 1, 2]})
    def square(n: int) -> int:
        return n * n

    @flows.step(each={"m": "square"})
    async def half(m: int) -> float:
        return m / 2

    @flows.step(each={"x": "half"}, executor="inline")
    def text(x: float) -> str:
        return f"{x:g}"

    @flows.workflow
    def whole(square: list[int], half: list[float], text: list[str]) -> tuple[list[int], list[float], list[str]]:
        return square, half, text

    expected = ([9, 1, 4], [4.5, 0.5, 2.0], ["4.5", "0.5", "2"])
    assert run(whole, registry=flows, backend=backend).value == expected


@pytest.mark.parametrize("source", [[1, 2], (1, 2)])
def test_a_literal_list_or_tuple_is_a_source(source: Any) -> None:
    flow = FlowBuilder("map").step(lambda n: n + 1, name="more", each={"n": source}).build()

    assert run(flow).value == {"more": [2, 3]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [([1, 2], [1, 2]), ((1, 2), [1, 2]), (range(2), [0, 1]), (deque([3]), [3]), ([], [])],
)
def test_a_step_may_return_any_ordered_collection_to_map_over(value: object, expected: list[Any]) -> None:
    flow = FlowBuilder("map").step(lambda: value, name="source")
    flow.step(lambda one: one, name="items", each={"one": "source"})

    assert run(flow.build()).value == {"items": expected}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", "str"),
        (b"bytes", "bytes"),
        (3, "int"),
        (None, "NoneType: return a list, an empty one where there is nothing to map over"),
        (iter([1]), "list_iterator: use list(…), since how many items there are must be known"),
        (_numbers(), "async_generator: use [one async for one in …]"),
        ({1}, "set: use sorted(…)"),
        ({"a": 1}, "dict: use list(….items())"),
    ],
)
def test_mapping_over_what_is_no_list_fails_the_mapped_step(
    backend: Backend, recorder: Recorder, value: object, kind: str
) -> None:
    flow = FlowBuilder("map").step(lambda: value, name="source")
    flow.step(lambda one: one, name="items", each={"one": "source"}).step(lambda items: items, name="taker")

    result = run(flow.build(), backend=backend, plugins=[recorder])
    assert recorder.of("items") == ["start items 1", "error items failed"]
    assert result.steps["items"].status is Status.FAILED
    assert str(result.steps["items"].error) == f"each= maps 'one' over 'source', which is no list but {kind}"
    assert result.steps["taker"].reason == "items failed"


def test_an_input_is_a_source() -> None:
    flows = Registry()

    @flows.step(each={"path": "paths"})
    def measured(path: str, ctx: Context) -> tuple[str, int | None]:
        return path, ctx.item

    assert run("measured", registry=flows, params={"paths": ["a", "b"]}).value == [("a", 0), ("b", 1)]


def test_several_sources_are_zipped_and_other_parameters_shared(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def names() -> list[str]:
        return ["a", "b"]

    @flows.step(each={"n": [1, 2]})
    def square(n: int) -> int:
        return n * n

    @flows.step
    def unit() -> str:
        return "kg"

    @flows.step(each={"name": "names", "amount": "square", "mark": ("!", "?")})
    async def line(name: str, amount: int, mark: str, unit: str) -> str:
        return f"{name}={amount} {unit}{mark}"

    assert run("line", registry=flows, backend=backend).value == ["a=1 kg!", "b=4 kg?"]


def test_sources_of_unequal_lengths_fail_the_mapped_step(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def numbers() -> list[int]:
        return [1, 2, 3]

    @flows.step(each={"a": [1, 2], "b": "numbers"})
    def pair(a: int, b: int) -> int:
        return a + b

    result = run(pair, registry=flows, backend=backend)
    assert result.steps["pair"].status is Status.FAILED
    assert isinstance(result.steps["pair"].error, ValueError)
    assert str(result.steps["pair"].error) == "the sources of each= have different lengths: a has 2, b has 3"


def test_two_mapped_steps_of_unequal_lengths_cannot_be_zipped(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 2]})
    def two(n: int) -> int:
        return n

    @flows.step(each={"n": [1, 2, 3]})
    def three(n: int) -> int:
        return n

    @flows.step(each={"a": "two", "b": "three"})
    def pair(a: int, b: int) -> int:
        return a + b

    result = run(pair, registry=flows, backend=backend)
    assert str(result.steps["pair"].error) == "the sources of each= have different lengths: a has 2, b has 3"


def test_an_empty_source_is_a_success_with_an_empty_list(backend: Backend, recorder: Recorder) -> None:
    flows = Registry()

    @flows.step(each={"n": "numbers"})
    def square(n: int) -> int:
        return n * n

    @flows.step(each={"m": "square"})
    async def half(m: int) -> float:
        return m / 2

    @flows.workflow
    def total(half: list[float]) -> float:
        return sum(half)

    result = run(total, registry=flows, params={"numbers": []}, plugins=[recorder], backend=backend)
    assert result.value == 0
    assert result.steps["square"].value == []
    assert result.steps["square"].items == ()
    assert recorder.of("half") == ["start half 1", "finish half"]


def test_items_flow_on_one_by_one_without_a_barrier(backend: Backend) -> None:
    flows, seen_below = Registry(), threading.Event()

    @flows.step(each={"n": [0, 1]}, timeout=20)
    def above(n: int) -> int:
        # The second item ends only when the first one has been seen two maps further down.
        return n if n == 0 or seen_below.wait(10) else -1

    @flows.step(each={"n": "above"})
    async def between(n: int) -> int:
        return n

    @flows.step(each={"n": "between"})
    def below(n: int) -> int:
        seen_below.set()
        return n

    assert run("below", registry=flows, backend=backend).value == [0, 1]


def test_a_step_that_takes_the_whole_list_waits_for_all_items(backend: Backend) -> None:
    flows = Registry()

    @flows.step(each={"n": [1, 2, 3]})
    async def square(n: int) -> int:
        await anyio.sleep(0.01 * (3 - n))
        return n * n

    @flows.step(each={"m": "square"})
    def share(m: int, square: list[int]) -> tuple[int, int]:
        return m, sum(square)

    assert run("share", registry=flows, backend=backend).value == [(1, 14), (4, 14), (9, 14)]


def test_hooks_hear_the_mapped_step_with_its_total_and_then_each_item(backend: Backend, recorder: Recorder) -> None:
    flow = FlowBuilder("map").step(lambda n: n, name="items", each={"n": [1, 2]}).build()

    run(flow, backend=backend, plugins=[recorder])
    assert recorder.told[:2] == ["run_start map", "start items 1"]
    assert recorder.of("items[0]") == ["start items[0] 1", "finish items[0]"]
    assert recorder.of("items[1]") == ["start items[1] 1", "finish items[1]"]
    assert recorder.told[-2:] == ["finish items", "run_finish map success"]


def make_plain() -> Callable[[int], int]:
    def body(n: int) -> int:
        return n

    return body


def make_async() -> Callable[[int], Any]:
    async def body(n: int) -> int:
        await anyio.sleep(0)
        return n

    return body


@pytest.mark.parametrize("make", [make_plain, make_async])
def test_a_map_over_many_items_keeps_every_value(backend: Backend, make: Callable[[], Any]) -> None:
    flow = FlowBuilder("wide").step(make(), name="items", each={"n": "numbers"})
    flow.step(lambda items: items == list(range(2_000)), name="taker")

    assert run(flow.build(), params={"numbers": list(range(2_000))}, backend=backend).value == {"taker": True}


def test_a_mapped_step_that_is_stopped_before_its_items_are_counted_is_skipped(
    backend: Backend, recorder: Recorder
) -> None:
    async def looped(n: int) -> None: ...

    flow = FlowBuilder("late").step(looped, name="items", each={"n": []}).build()

    result = run(replace(flow, timeout=1e-9), backend=backend, plugins=[recorder])
    assert result.steps["items"].status is Status.SKIPPED
    assert recorder.of("items") == ["skip items the run was cancelled: it timed out after 1e-09 s"]
