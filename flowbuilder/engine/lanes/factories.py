"""The built-in executors by name; the process lane loads only when a step asks for it."""

from __future__ import annotations

from typing import Any

from flowbuilder.engine.lanes.base import LaneFactory
from flowbuilder.engine.lanes.inline import InlineLane
from flowbuilder.engine.lanes.loop import LoopLane
from flowbuilder.engine.lanes.thread import ThreadLane


def _process(limit: int | None) -> Any:
    from flowbuilder.engine.lanes.process import ProcessLane

    return ProcessLane(limit)


BUILT_IN_LANES: dict[str, LaneFactory] = {
    "loop": LoopLane,
    "thread": ThreadLane,
    "inline": InlineLane,
    "process": _process,
}
