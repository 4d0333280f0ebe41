"""The writer thread: what waits together is written together, and nobody hears of it before."""

from __future__ import annotations

import threading
from collections.abc import Sequence

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


def test_whatever_fails_is_told_to_all_that_come_after() -> None:
    told: list[Exception | None] = []

    def broken() -> Sequence[Entry]:
        raise LookupError("no such thing")

    writer = Writer(Commits())
    writer.write(broken, told.append, sync=True)
    writer.write(lambda: [began("r")], told.append, sync=True)
    writer.close()
    assert [type(error) for error in told] == [StoreError, StoreError]
    assert str(told[0]) == "the run store failed\n  got: LookupError: no such thing"
