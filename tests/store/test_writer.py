"""The writer thread: what waits together is written together, and nobody hears of it before."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from flowbuilder.errors import StoreError
from flowbuilder.store.rows import Entry
from flowbuilder.store.writer import Writer
from tests.store.samples import began


class Commits:
    """Keeps what it is given; ``gate`` holds it back."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, bool]] = []
        self.entered = threading.Event()
        self.gate = threading.Event()

    def __call__(self, entries: Sequence[Entry], *, sync: bool) -> None:
        self.entered.set()
        assert self.gate.wait(10)
        self.batches.append((len(entries), sync))


def test_what_comes_during_a_commit_is_the_next_batch() -> None:
    commits = Commits()
    writer = Writer(commits)
    writer.write(lambda: [began("r")], None, sync=False)
    assert commits.entered.wait(10)
    for number in range(50):
        writer.write(lambda: [began("r")], None, sync=number == 7)
    commits.gate.set()
    writer.close()
    assert commits.batches == [(1, False), (50, True)]


def test_nobody_hears_of_a_write_before_it_stands() -> None:
    commits, told = Commits(), []
    writer = Writer(commits)
    writer.write(lambda: [began("r")], lambda error: told.append((error, len(commits.batches))), sync=True)
    assert commits.entered.wait(10)
    assert told == []
    commits.gate.set()
    writer.close()
    assert told == [(None, 1)]


def test_a_write_without_entries_is_told_in_its_turn_and_commits_nothing() -> None:
    commits, told = Commits(), list[Exception | None]()
    commits.gate.set()
    writer = Writer(commits)
    writer.write(list, told.append, sync=True)
    writer.close()
    assert (told, commits.batches) == ([None], [])


@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_whatever_fails_is_told_to_all_that_come_after(kind: type[BaseException]) -> None:
    told: list[Exception | None] = []

    def broken() -> Sequence[Entry]:
        raise kind("no such thing")

    writer = Writer(Commits())
    writer.write(broken, told.append, sync=True)
    writer.write(lambda: [began("r")], told.append, sync=True)
    writer.close()
    assert [type(error) for error in told] == [StoreError, StoreError]
    assert str(told[0]) == f"the run store failed\n  got: {kind.__name__}: no such thing"


class Threads:
    """Notes which thread commits."""

    def __init__(self) -> None:
        self.seen: list[threading.Thread] = []

    def __call__(self, entries: Sequence[Entry], *, sync: bool) -> None:
        self.seen.append(threading.current_thread())


def test_who_has_nothing_else_to_do_writes_all_that_waits() -> None:
    commits, told = Threads(), list[str]()
    writer = Writer(commits)

    def then(error: Exception | None) -> None:
        told.append("first")
        writer.write(lambda: [began("r")], lambda error: told.append("what came of it"), sync=True)

    writer.write(lambda: [began("r")], then, sync=True, here=True)
    assert told == ["first", "what came of it"]
    writer.close()
    assert commits.seen == [threading.current_thread()] * 2


def test_who_has_nothing_else_to_do_does_not_wait_for_another_who_writes() -> None:
    commits, told = Commits(), list[int]()
    writer = Writer(commits)
    writer.write(lambda: [began("r")], None, sync=True)
    assert commits.entered.wait(10)
    writer.write(lambda: [began("r")], lambda error: told.append(threading.get_ident()), sync=True, here=True)
    assert told == []
    commits.gate.set()
    writer.close()
    assert told != [threading.get_ident()]
    assert commits.batches == [(1, True), (1, True)]


def test_what_needs_no_sync_is_written_after_a_moment() -> None:
    written = threading.Event()
    writer = Writer(Threads())
    for _ in range(3):
        writer.write(lambda: [began("r")], lambda error: written.set(), sync=False)
        assert written.wait(10)
        written.clear()
    writer.close()


def test_what_comes_after_the_end_is_written_by_nobody() -> None:
    commits = Threads()
    writer = Writer(commits)
    writer.close()
    writer.write(lambda: [began("r")], None, sync=True, here=True)
    assert commits.seen == []
