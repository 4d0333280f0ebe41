"""Agreement: whether what one annotation gives plainly cannot be what another one asks for."""

from __future__ import annotations

import typing
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from flowbuilder.plan.annotations import ARRAYS, TABLES, bare, is_open, members, origin_of

# Types that plainly are, or are not, one another; what a user's class may be is left to run time.
SCALARS = frozenset({int, float, complex, bool, str, bytes, type(None), Path, date, datetime, time, timedelta})
BUILT_IN = SCALARS | {list, dict, tuple, set, frozenset}
PLAIN = BUILT_IN | set(ARRAYS) | TABLES

# As type checkers have it, an int will do for a float.
WIDER = {(int, float), (int, complex), (float, complex), (bool, float), (bool, complex)}


def contradicts(given: Any, wanted: Any) -> bool:
    """Return whether no value of the annotation ``given`` can be one of ``wanted``, as far as is plain."""
    given, wanted = bare(given), bare(wanted)
    if is_open(given) or is_open(wanted):
        return False
    if options := members(given):
        return all(contradicts(option, wanted) for option in options)
    if options := members(wanted):
        return all(contradicts(given, option) for option in options)
    given_kind, wanted_kind = origin_of(given), origin_of(wanted)
    if not isinstance(given_kind, type) or not isinstance(wanted_kind, type):
        return False
    if not _is_related(given_kind, wanted_kind):
        return (given_kind in PLAIN and wanted_kind in PLAIN) or _is_foreign(given_kind, wanted_kind)
    return given_kind in ARRAYS and wanted_kind in ARRAYS and contradicts(item_of(given), item_of(wanted))


def item_of(note: Any) -> Any:
    """Return the annotation of an array's items; Any where it says nothing of them."""
    args = typing.get_args(note)
    return args[0] if len(args) == 1 or args[1:] == (Ellipsis,) else Any


def has_no_items(note: Any) -> bool:
    """Return whether a value of an annotation plainly is no list of items."""
    note = bare(note)
    if is_open(note):
        return False
    if options := members(note):
        return all(map(has_no_items, options))
    return origin_of(note) in SCALARS | TABLES


def _is_related(given: type, wanted: type) -> bool:
    if (given, wanted) in WIDER:
        return True
    try:
        return issubclass(given, wanted) or issubclass(wanted, given)
    except TypeError:  # a class that cannot be asked
        return True


def _is_foreign(given: type, wanted: type) -> bool:
    """Return whether one is built in and the other an ordinary class that is none of its kind."""
    return (given in BUILT_IN and wanted not in PLAIN) or (wanted in BUILT_IN and given not in PLAIN)
