"""Named: a run by the beginning of its id."""

from __future__ import annotations

from flowbuilder.errors import FlowBuilderError, UnknownNameError, listed, shown_value
from flowbuilder.store.contract import Store
from flowbuilder.store.rows import RunQuery, RunRow

LISTED = 12


def run_named(store: Store, name: str) -> RunRow:
    """Return the one run whose id begins with ``name``.

    Raises:
        UnknownNameError: where there is none.
        FlowBuilderError: where there are several.
    """
    row = store.run(name)
    if row is not None:
        return row
    known = [one.run_id for one in store.runs(RunQuery())]
    several = [one for one in known if name and one.startswith(name)]
    if several:
        raise FlowBuilderError(
            f"{len(several):,} runs begin with {shown_value(name)}",
            allowed=listed(several, LISTED),
            hint="give more of the id",
        )
    raise UnknownNameError("run", name, known[:LISTED])
