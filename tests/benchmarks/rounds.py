"""Rounds: measures every contender once a round, each in a fresh process, so that what disturbs hits all alike."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.measured import Sample
from tests.benchmarks.probe import Reading
from tests.benchmarks.processors import Others, wait_for_quiet
from tests.benchmarks.workloads import OURS, Workload

ROOT = Path(__file__).parent.parent.parent
QUIET = 0.4
TOO_LONG = 120

Samples = dict[str, dict[str, list[Sample]]]


class Rounds:
    """Collects samples by workload and contender.

    Args:
        workloads: what is measured.
        most: how many rounds at most, whatever a workload asks for; None for as many as it does.
        seconds: when no further round is begun that only repeats what was disturbed.
    """

    def __init__(self, workloads: Sequence[Workload], most: int | None, seconds: float) -> None:
        self.samples: Samples = {one.name: {} for one in workloads}
        self._left_out: dict[tuple[str, str], str] = {}
        self._workloads = workloads
        self._most = most
        self._until = time.monotonic() + seconds
        self._patience = seconds / 10

    def measure(self, say: Callable[[str], object]) -> None:
        """Measure round by round, then again what others disturbed, while there is time."""
        number = 0
        while cells := list(self._wanted(number)):
            say(f"round {number + 1}: {len(cells)} processes")
            for workload, contender in cells:
                self._sample(workload, contender)
            number += 1

    def sentences(self) -> Iterator[str]:
        """Yield a sentence for each contender that could not be measured and why, with the workloads."""
        for contender, why in dict.fromkeys((one[1], why) for one, why in self._left_out.items()):
            names = [one[0] for one, reason in self._left_out.items() if (one[1], reason) == (contender, why)]
            yield f"{contender} is left out of {', '.join(names)}: {why}."

    def _wanted(self, number: int) -> Iterator[tuple[Workload, str]]:
        """Yield what is to be measured in a round, beginning elsewhere in each."""
        for workload in self._workloads:
            names = [one for one in workload.contenders if self._wants(workload, one)]
            shift = number % len(names) if names else 0
            yield from ((workload, one) for one in names[shift:] + names[:shift])

    def _wants(self, workload: Workload, contender: str) -> bool:
        if (workload.name, contender) in self._left_out:
            return False
        rounds = min(workload.rounds_of(contender), self._most or workload.rounds)
        found = self.samples[workload.name].get(contender, [])
        quiet = sum(sample.others <= QUIET for sample in found)
        is_compared = contender in (OURS, workload.reference)
        return len(found) < rounds or (is_compared and quiet < rounds and time.monotonic() < self._until)

    def _sample(self, workload: Workload, contender: str) -> None:
        self._patience = wait_for_quiet(QUIET, self._patience)
        others = Others()
        found = probed(workload, contender)
        if "left_out" in found:
            self._left_out[workload.name, contender] = found["left_out"]
        else:
            sample = Sample(reading=Reading(**found), others=round(others.used(), 2))
            self.samples[workload.name].setdefault(contender, []).append(sample)


def probed(workload: Workload, contender: str) -> dict[str, Any]:
    """Return what a fresh process found, or under ``left_out`` why it found nothing."""
    size = str(workload.size_of(contender))
    command = [sys.executable, "-m", "tests.benchmarks.probe", workload.name, contender, size]
    # As on a user's machine: a module is compiled once, and not at every start of a process.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    words: dict[str, Any] = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True}
    try:
        done = subprocess.run(command, timeout=TOO_LONG, check=False, **words)
    except subprocess.TimeoutExpired:
        return {"left_out": f"it took longer than {TOO_LONG} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"left_out": f"it failed: {lines[-1]}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
