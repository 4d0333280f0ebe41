"""The command of the simulation: replay recorded graphs under each policy, and print what comes of it.

python -m tests.simulation [FOLDER] [--slots 4 16 64]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.simulation.graph import SHIPPED, recorded
from tests.simulation.table import recorded_table, rows, together_table


def main(words: Sequence[str]) -> int:
    """Replay, and print the tables."""
    given = _parser().parse_args(words)
    graphs = recorded(given.folder)
    if not graphs:
        sys.exit(f"{given.folder} has no recorded graph: a .json file in WfCommons WfInstances format")
    print("Makespan / max(critical path, work / slots):\n")
    print(recorded_table(rows(graphs, given.slots)))
    print("\nSeveral runs at once, 4 slots:\n")
    print(together_table())
    print(f"\nSimulated on {time.strftime('%Y-%m-%d')}.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=SHIPPED, help="recorded graphs, left out: the shipped")
    parser.add_argument("--slots", nargs="+", type=_count, default=[4, 16, 64], help="how many steps run at once")
    return parser


def _count(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"{word!r} is no whole number from 1")
    return int(word)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
