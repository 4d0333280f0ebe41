"""The command of the benchmarks.

python -m tests.benchmarks [--only NAME,NAME] [--reps N] [--minutes M] [--publish]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.measured import Measured, load
from tests.benchmarks.picture import picture
from tests.benchmarks.publish import publish
from tests.benchmarks.rounds import Rounds
from tests.benchmarks.table import markdown, text
from tests.benchmarks.workloads import WORKLOADS, Workload

PACKAGES = ("anyio", "networkx", "apache-hamilton", "pipefunc", "doit", "dask", "taskiq", "loky")
FOLDER = Path(".bench")


def main(words: Sequence[str]) -> int:
    """Measure, or take what was measured before; print it, keep it, and publish it where that is asked for."""
    given = _parser().parse_args(words)
    measured = load(given.take) if given.take else _measured(given, [word for word in words if word != "--publish"])
    print(text(measured))
    measured.save(FOLDER / "measured.json")
    (FOLDER / "how-fast.md").write_text(markdown(measured) + "\n", encoding="utf-8")
    (FOLDER / "how-fast.svg").write_text(picture(measured), encoding="utf-8")
    if given.publish:
        publish(measured)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", metavar="NAMES", help="workloads by the beginnings of their names, with commas")
    parser.add_argument("--reps", type=int, metavar="N", help="processes for each contender at most")
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to repeat what others disturbed")
    parser.add_argument("--take", type=Path, metavar="FILE", help="show what was measured before")
    parser.add_argument("--publish", action="store_true", help="write the tables and the picture of the documentation")
    return parser


def _measured(given: argparse.Namespace, words: Sequence[str]) -> Measured:
    chosen = _chosen(given.only)
    rounds = Rounds(chosen, given.reps, 60 * given.minutes)
    rounds.measure(lambda line: print(line, file=sys.stderr, flush=True))
    return Measured(
        date=time.strftime("%Y-%m-%d"),
        machine=f"{os.cpu_count()} cores",
        python=platform.python_version(),
        command=" ".join(["python -m tests.benchmarks", *words]) if words else "make bench",
        versions=dict(_versions()),
        samples={name: {one: tuple(found) for one, found in per.items()} for name, per in rounds.samples.items()},
        left_out=tuple(rounds.sentences()),
    )


def _chosen(only: str | None) -> list[Workload]:
    beginnings = tuple(only.split(",")) if only else ("",)
    found = [one for one in WORKLOADS if one.name.startswith(beginnings)]
    if not found:
        sys.exit(f"--only={only} names no workload; there are {', '.join(one.name for one in WORKLOADS)}")
    return found


def _versions() -> list[tuple[str, str]]:
    found = []
    for name in PACKAGES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
