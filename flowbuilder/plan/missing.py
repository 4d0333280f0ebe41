"""Missing: what to type where an input has no value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from flowbuilder.errors import did_you_mean, nearest, shown, shown_value
from flowbuilder.plan.annotations import type_name
from flowbuilder.plan.environment import variable_of
from flowbuilder.plan.given import holds_secret

CONTEXT = ("Context", "'Context'")


class MissingInput(NamedTuple):
    """An input without a value: ``known`` are the names in scope, ``beside`` what its function is given besides."""

    name: str
    annotation: Any
    known: Iterable[str] = ()
    beside: Sequence[str] = ()

    @property
    def meant(self) -> str:
        """A question for what may have been meant by the name, empty where nothing is near."""
        if type_name(self.annotation) in CONTEXT:
            return did_you_mean("ctx", ["ctx"])
        return did_you_mean(self.name, [*self.known, *self.beside])

    @property
    def is_slip(self) -> bool:
        """Whether the name can only be a slip: no value that is typed could take its place."""
        return type_name(self.annotation) in CONTEXT or bool(nearest(self.name, self.beside))


def hint_for(missing: Sequence[MissingInput], *, is_nested: bool) -> str:
    """Return how all missing inputs are given, and what may have been meant by their names."""
    wanted = [one for one in missing if not one.is_slip]
    ways = [_passed(wanted) if is_nested else _given(wanted)] if wanted else []
    is_one = len(missing) == 1
    meant = [one.meant if is_one else f"{one.meant[:-1]} by {shown_value(one.name)}?" for one in missing if one.meant]
    return "; or ".join(ways + meant)


def way_to_give(name: str, annotation: Any) -> str:
    """Return what gives an input its value: an option, or for a secret a variable, which no list of processes shows."""
    if holds_secret(name, annotation) and (variable := variable_of(name)):
        return f"{variable}=…"
    return f"-P {shown(name)}=…"


def _passed(wanted: Sequence[MissingInput]) -> str:
    return f"pass it: {', '.join(f'{shown(one.name)}=…' for one in wanted)}, or give it a default"


def _given(wanted: Sequence[MissingInput]) -> str:
    ways = [way_to_give(one.name, one.annotation) for one in wanted]
    typed = " ".join(way for way in ways if way.startswith("-P"))
    in_environment = " ".join(way for way in ways if not way.startswith("-P"))
    parts = [
        typed,
        in_environment and f"{in_environment} in the environment",
        f"params={{{shown(wanted[0].name)!r}: …}}",
    ]
    return f"give it a value: {', '.join(part for part in parts if part)}, or a default"
