"""Given: values for inputs as they come from outside, and how they are shown in messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from flowbuilder.errors import is_secret, shown_value
from flowbuilder.plan.annotations import type_name


class Text(NamedTuple):
    """A value given as text; ``origin`` says where, as in "-P"."""

    text: str
    origin: str


class Given(NamedTuple):
    """A JSON-shaped value of a file, to be converted where the annotation asks for more than JSON has."""

    value: object
    origin: str


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
        return "(hidden)"
    return shown_value(value.text if isinstance(value, Text) else value.value if isinstance(value, Given) else value)


def holds_secret(name: str, note: object) -> bool:
    """Return whether an input holds a secret, by its name or its annotation."""
    return is_secret(name) or "Secret" in type_name(note)
