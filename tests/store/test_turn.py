"""One writer at a time over all processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from flowbuilder.errors import StoreError
from flowbuilder.store.rows import RunQuery
from flowbuilder.store.sqlite import SqliteStore
from flowbuilder.store.turn import Turn
from tests.store.samples import names

WRITER = """
import sys
from pathlib import Path
from flowbuilder.store.sqlite import SqliteStore
from tests.store.samples import began, ended, write

store = SqliteStore(Path(sys.argv[1]))
write(store, began(sys.argv[2]))
for number in range(50):
    assert write(store, ended(sys.argv[2], f"s{number}", "x" * 2_000)) is None
store.close()
"""


def test_whoever_does_not_get_its_turn_gives_up_at_last(tmp_path: Path) -> None:
    first, second = Turn(tmp_path / "turn", 0.05), Turn(tmp_path / "turn", 0.05)
    with (
        first,
        pytest.raises(StoreError, match=r"another process has been writing to the run store for 0\.05 s"),
        second,
    ):
        raise AssertionError
    with second:
        pass
    first.close()
    second.close()


@pytest.mark.timeout(300)
def test_many_processes_write_into_one_store_that_none_had_made(tmp_path: Path, unmeasured: None) -> None:
    path = tmp_path / "own" / "runs.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), f"r{number}"]) for number in range(4)]
    assert [process.wait() for process in writers] == [0, 0, 0, 0]
    store = SqliteStore(path)
    assert {row.run_id for row in store.runs(RunQuery())} == {"r0", "r1", "r2", "r3"}
    assert all(names(store.units(f"r{number}")) == [f"s{n}" for n in range(50)] for number in range(4))
    assert store.problems() == []
    store.close()
