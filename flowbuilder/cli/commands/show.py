"""``flowbuilder show``: one run, from what was kept of it."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from flowbuilder.builtin.wording import within
from flowbuilder.cli.catalog import COMMANDS
from flowbuilder.cli.history import attempts_as_data, counts_of, duration_of, in_words, run_as_data, unit_as_data
from flowbuilder.cli.keeping import kept
from flowbuilder.cli.options import plugin_option, store_option
from flowbuilder.cli.output import folded, put
from flowbuilder.errors import NothingToDoError, shown
from flowbuilder.store.contract import Store
from flowbuilder.store.named import run_named
from flowbuilder.store.rows import UNDONE, AttemptRow, RunQuery, RunRow, Unit, UnitRow
from flowbuilder.terminal import Terminal, columns, padded

WIDEST, SHORTEST = 40, 20
NARROWEST_LINE, FOR_REASON = 10, 24
# Columns in front of the line of time, but for the name, and one that stays free at the end.
BESIDE = 29
IN_FULL = 10
GOOD = ("success", "skipped")


@click.command(
    "show",
    params=[
        click.Argument(["run"], required=False),
        click.Option(["--items"], is_flag=True, help="A line for each item of mapped steps, too."),
        click.Option(["--json", "as_json"], is_flag=True, help="As one JSON document."),
        store_option(),
        plugin_option(),
    ],
    short_help=COMMANDS["show"],
)
@click.pass_context
def command(context: click.Context, /, *, run: str | None, items: bool, as_json: bool, **rest: Any) -> None:
    """Show one run: its inputs, its steps on a line of time, its errors and what failed steps printed.

    RUN is the id of a run or its beginning; the last run if left out. Results are not read, and no code of the
    workflow is run.
    """
    with kept(context, is_read=True) as store:
        row = _row(store, run)
        units, attempts = store.units(row.run_id), store.attempts(row.run_id)
    if as_json:
        document = run_as_data(row)
        document["steps"] = [unit_as_data(one) for one in units]
        document["attempts"] = attempts_as_data(units, attempts)
        put(json.dumps(document, indent=2))
    else:
        terminal = Terminal()
        head = (folded(line, terminal) for line in _head(row, units))
        steps = _steps(units, attempts, terminal, with_items=items)
        put("\n".join([*head, *steps, *_failures(units), *_of_no_step(row)]))


def _row(store: Store, run: str | None) -> RunRow:
    if run is not None:
        return run_named(store, run)
    for row in store.runs(RunQuery(limit=1)):
        return row
    raise NothingToDoError("no run was kept yet")


def _head(row: RunRow, units: Sequence[UnitRow]) -> Iterator[str]:
    yield f"{shown(row.workflow)}, run {row.run_id}: {row.status}"
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(row.started_at))
    counted: dict[str, int] = {}
    for one in units:
        counted[one.status] = counted.get(one.status, 0) + (one.unit.item < 0)
    counts = counts_of(row) or in_words(counted) or "no step has ended"
    yield f"began {when}, took {duration_of(row.duration)}; {counts}"
    if row.source:
        yield f"from {shown(row.source, 500)}"
    for name, text in row.shown.items():
        yield f"  {shown(name)} = {shown(text, 300)}"


def _steps(
    units: Sequence[UnitRow], attempts: Sequence[AttemptRow], terminal: Terminal, *, with_items: bool
) -> Iterator[str]:
    ended = sorted((one for one in units if with_items or one.unit.item < 0), key=_start)
    known = {one.unit for one in units}
    open_ = {one.unit: one for one in attempts if one.unit not in known and (with_items or one.unit.item < 0)}
    maps = _open_maps(units, attempts)
    names = [*(one.unit for one in ended), *open_, *maps]
    if not names:
        return
    yield ""
    suffix = max((columns(_remarks(one)) for one in ended), default=0)
    most = min(max(terminal.width // 3, SHORTEST), WIDEST) if terminal.is_terminal else WIDEST
    width = min(max(columns(shown(str(unit))) for unit in names), most)
    line = _Line(units, terminal.width - width - BESIDE - suffix)
    for one in ended:
        what = f"{one.status:<9} {duration_of(one.duration):>12}  {_about(one, line)}"
        yield _beside_name(one.unit, what, width, terminal)
    for unit, made in open_.items():
        what = f"{'-':<9} {'':>12}  attempt {made.number} {made.status or 'had not ended'}"
        yield _beside_name(unit, what, width, terminal)
    for unit, counts in maps.items():
        done = f"of its items {in_words(counts)}" if counts else "no item has ended"
        yield _beside_name(unit, f"{'-':<9} {'':>12}  had not ended; {done}", width, terminal)


def _open_maps(units: Sequence[UnitRow], attempts: Sequence[AttemptRow]) -> dict[Unit, Counter[str]]:
    """Return the mapped steps that have not ended, and of each how many items ended with which status."""
    items = [unit for unit in (*(one.unit for one in units), *(one.unit for one in attempts)) if unit.item >= 0]
    found = {Unit(unit.step): Counter[str]() for unit in items}
    for one in units:
        if one.unit.item >= 0:
            found[Unit(one.unit.step)][one.status] += 1
    ended = {one.unit for one in units}
    return {unit: counts for unit, counts in found.items() if unit not in ended}


def _beside_name(unit: Unit, what: str, width: int, terminal: Terminal) -> str:
    """Return the line of a step, on a terminal within its width: of a long name without the middle."""
    name = shown(str(unit))
    name = within(name, width) if terminal.is_terminal else name
    line = f"  {padded(name, width)}  {what}".rstrip()
    return folded(line, terminal, max(min(width + BESIDE - 1, terminal.width - FOR_REASON), 4))


def _start(row: UnitRow) -> float:
    """Return when a step started; those that did not stand after all others, in the order in which they ended."""
    return math.inf if row.started_at is None else row.started_at


def _remarks(row: UnitRow) -> str:
    calls = sum((row.inside or {}).values())
    parts = [f"{calls:,} call{'s' * (calls != 1)} inside"] if calls else []
    parts += [f"attempt {row.attempts}"] if row.attempts > 1 else []
    return "".join(f"  {part}" for part in parts)


def _about(row: UnitRow, line: _Line) -> str:
    about = shown(row.reason, 100) if row.status in ("skipped", UNDONE) else line.of(row)
    return f"{about}{_remarks(row)}"


class _Line:
    """The time from the first start to the last end, as so many columns."""

    def __init__(self, units: Sequence[UnitRow], columns: int) -> None:
        spans = [(one.started_at, one.started_at + (one.duration or 0)) for one in units if one.started_at is not None]
        self._first = min((start for start, _ in spans), default=0.0)
        self._whole = max((end for _, end in spans), default=0.0) - self._first
        self._columns = max(columns, NARROWEST_LINE)

    def of(self, one: UnitRow) -> str:
        """Return a step's part of the line."""
        if one.started_at is None or not self._whole:
            return ""
        start = int((one.started_at - self._first) / self._whole * (self._columns - 1))
        length = max(round((one.duration or 0) / self._whole * self._columns), 1)
        return " " * start + "━" * min(length, self._columns - start)


def _failures(units: Sequence[UnitRow]) -> Iterator[str]:
    """Yield errors and output of what failed; of a mapped step the items' own."""
    mapped = {one.unit.step for one in units if one.unit.item >= 0}
    failed = [one for one in units if _has_failed(one) and not _is_whole(one.unit, mapped)]
    for one in failed[:IN_FULL]:
        yield ""
        yield f"{shown(str(one.unit))} {one.status}"
        if one.error is not None:
            yield from _error(one.error)
        for title, text in one.sections:
            yield f"  {shown(title)}:"
            yield from (f"    {shown(line, 500)}" for line in text.rstrip("\n").split("\n"))
    if len(failed) > IN_FULL:
        yield f"\n… and {len(failed) - IN_FULL:,} more; --json has all"


def _error(error: Mapping[str, Any]) -> Iterator[str]:
    text = error.get("traceback") or f"{error.get('type')}: {error.get('message')}"
    yield from (f"  {shown(line, 500)}" for line in str(text).rstrip("\n").split("\n"))


def _of_no_step(row: RunRow) -> Iterator[str]:
    """Yield the errors that belong to no step, such as that of a provider's tear-down."""
    for error in row.errors[:IN_FULL]:
        yield ""
        yield "after the steps"
        yield from _error(error)
    if len(row.errors) > IN_FULL:
        yield f"\n… and {len(row.errors) - IN_FULL:,} more after the steps; --json has all"


def _has_failed(row: UnitRow) -> bool:
    return row.error is not None if row.status == UNDONE else row.status not in GOOD


def _is_whole(unit: Unit, mapped: set[str]) -> bool:
    return unit.item < 0 and unit.step in mapped
