"""What every run owes its hooks, however it ended."""

from __future__ import annotations

from flowbuilder.testing import Recorder


def assert_each_step_ended_once(recorder: Recorder) -> None:
    """Assert for each step and item that was told of the order start, then exactly one end."""
    ends: dict[str, str] = {}
    started: set[str] = set()
    (result,) = recorder.runs
    for line in recorder.told[1:-1]:
        word, name = line.split(" ")[:2]
        if word.startswith("batch"):
            continue
        assert name not in ends, f"{line!r} comes after {ends[name]!r}"
        if word in ("start", "retry"):
            started.add(name)
            continue
        ends[name] = line
        # A mapped step as a whole starts, and is skipped when its items were for a cause above them.
        is_whole = name in result.steps and result.steps[name].items is not None
        assert is_whole or (name in started) == (word != "skip"), line
    assert started | set(result.steps) <= ends.keys()
    assert recorder.told[0].startswith("run_start")
    assert recorder.told[-1].startswith("run_finish")
