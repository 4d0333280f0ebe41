"""Wording: counts, times and names as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from flowbuilder.errors import error_line, near
from flowbuilder.terminal import columns


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return "1 item" or "2,134 items"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def amounts_of(resources: Mapping[str, int]) -> str:
    """Return "1 gpu and 2 db"."""
    return " and ".join(f"{amount} {name}" for name, amount in resources.items())


def in_seconds(seconds: float) -> str:
    """Return a duration: "0.42 s", "12.3 s", "2 min 05 s", "1 h 02 min"."""
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    if seconds < 5999.5:
        return f"{round(seconds) // 60} min {round(seconds) % 60:02} s"
    return f"{round(seconds / 60) // 60:,} h {round(seconds / 60) % 60:02} min"


def in_whole_seconds(seconds: float) -> str:
    """Return a duration that is still growing: "3 s", "2 min 05 s"; without parts of a second it is calm."""
    return f"{int(seconds)} s" if seconds < 100 else in_seconds(int(seconds))


def message_of(error: BaseException) -> str:
    """Return "ValueError: text"; of one of FlowBuilder's own errors the text alone, which says it all."""
    return str(error) if _is_own(error) else error_line(error)


def near_message_of(error: BaseException) -> str:
    """Return the same, with the places that FlowBuilder's own errors name as seen from the working directory."""
    return near(message_of(error)) if _is_own(error) else message_of(error)


def _is_own(error: BaseException) -> bool:
    return type(error).__module__ == "flowbuilder.errors"


def reason_of(error: BaseException | None) -> str:
    """Return the first line of what an error says."""
    return "" if error is None else near_message_of(error).partition("\n")[0]


def within(name: str, width: int) -> str:
    """Return a name without its middle, where it would be wider than ``width`` columns."""
    if columns(name) <= width:
        return name
    first = last = width // 2 - 1
    while columns(name[:first]) + columns(name[-last:]) > width - 1:
        first, last = first - 1, last - 1
    return f"{name[:first]}…{name[-last:]}"
