"""No code of the user's runs under the schedule's lock: while it is slow, other steps start and end."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Retry, hookimpl, run
from flowbuilder.runner import Backend


class Other:
    """Two steps, one after the other, that run while code of the user's is at work."""

    def __init__(self) -> None:
        self._at_work = threading.Event()
        self._went_on = threading.Event()
        self.seen: list[bool] = []

    def first(self) -> None:
        self._at_work.wait(5)

    def second(self) -> None:
        self._went_on.set()

    def watch(self) -> bool:
        """Be the user's code: wait until the other steps have gone on, once."""
        if not self.seen:
            self._at_work.set()
            self.seen.append(self._went_on.wait(3))
        return True


@pytest.fixture
def other() -> Other:
    return Other()


def assert_others_go_on(flow: FlowBuilder, other: Other, backend: Backend, **words: Any) -> None:
    flow.step(other.first).step(other.second, after=("first",))
    result = run(flow.build(), backend=backend, **words)
    assert other.seen == [True]
    assert result.steps["second"].error is None


def test_a_when(backend: Backend, other: Other) -> None:
    assert_others_go_on(FlowBuilder("when").step(lambda: 1, name="one", when=other.watch), other, backend)


def test_a_rescue(backend: Backend, other: Other) -> None:
    flow = FlowBuilder("rescue").step(lambda: 1 / 0, name="one", on_error=lambda error: other.watch())
    assert_others_go_on(flow, other, backend)


def test_the_source_of_a_map(backend: Backend, other: Other) -> None:
    class Rows(Sequence[int]):
        def __len__(self) -> int:
            other.watch()
            return 2

        def __getitem__(self, index: Any) -> Any:
            return (1, 2)[index]

        def __iter__(self) -> Iterator[int]:
            other.watch()
            return iter((1, 2))

    flow = FlowBuilder("map").step(lambda: Rows(), name="rows")
    flow.step(lambda n: n, name="items", each={"n": "rows"})
    assert_others_go_on(flow, other, backend)


def test_a_note_added_to_an_error(backend: Backend, other: Other) -> None:
    class Noted(Exception):
        def add_note(self, note: str) -> None:
            other.watch()
            super().add_note(note)

    def broken() -> None:
        raise Noted

    assert_others_go_on(FlowBuilder("note").step(broken), other, backend)


def test_the_check_of_an_error_against_on(backend: Backend, other: Other) -> None:
    class Checks(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return other.watch()

    class Odd(Exception, metaclass=Checks): ...

    flow = FlowBuilder("on").step(lambda: 1 / 0, name="one", retries=Retry(1, on=(Odd,)))
    assert_others_go_on(flow, other, backend)


def test_a_value_that_is_thrown_away(backend: Backend, other: Other) -> None:
    class Heavy:
        def __del__(self) -> None:
            other.watch()

    def one() -> None:
        Heavy()

    assert_others_go_on(FlowBuilder("value").step(one), other, backend)


def test_a_watching_hook(backend: Backend, other: Other) -> None:
    class Slow:
        @hookimpl
        def flowbuilder_step_start(self) -> None:
            other.watch()

    assert_others_go_on(FlowBuilder("hook").step(lambda: 1, name="one"), other, backend, plugins=[Slow()])
