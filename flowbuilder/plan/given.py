"""Given: values for inputs as they come from outside, and how they are shown in messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flowbuilder.errors import is_secret, shown_value
from flowbuilder.plan.annotations import parts_of, type_name
from flowbuilder.secret import MASK

DEEPEST = 8  # records in records are looked into


class Text(NamedTuple):
    """A value given as text; ``origin`` says where, as in "-P"."""

    text: str
    origin: str


class Given(NamedTuple):
    """A JSON-shaped value of a file, to be converted where the annotation asks for more than JSON has."""

    value: object
    origin: str


class Inherited(NamedTuple):
    """A value that the run around a nested one was given for an input of the same name, converted already."""

    value: Any
    origin: str = "the run around it"


def given(value: Any, origin: str) -> Text | Given:
    """Return a value of a file; strings are ``Text``, so that dates and paths are read from them."""
    return Text(value, origin) if isinstance(value, str) else Given(value, origin)


def unfolded(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values with those inside tables beside them under qualified names: ``sales.path``.

    Whether a table is the value of an input or is meant for a sub-workflow is seen when a plan is made.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        found[name] = value
        if isinstance(value, Given) and isinstance(value.value, dict):
            inner = {f"{name}.{key}": given(one, value.origin) for key, one in value.value.items()}
            found |= unfolded(inner)
    return found


def shown_given(name: str, value: object, note: object = None) -> str:
    """Return what was given for an input, fit for a message; a secret is never shown."""
    if holds_secret(name, note):
        return MASK
    return shown_value(value.text if isinstance(value, Text) else value.value if isinstance(value, Given) else value)


def holds_secret(name: str, note: object) -> bool:
    """Return whether an input holds a secret, by its name, its annotation, or that of a field in it."""
    return is_secret(name) or _is_of_secrets(note, DEEPEST)


def _is_of_secrets(note: object, depth: int) -> bool:
    return "Secret" in type_name(note) or (depth > 0 and any(_is_of_secrets(one, depth - 1) for one in parts_of(note)))
