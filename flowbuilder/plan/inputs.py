"""Inputs: collects who requests them, and gives each its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from flowbuilder.declare.definitions import Definition
from flowbuilder.declare.signature import annotations_of, default_of
from flowbuilder.errors import InputError, did_you_mean, listed, shown, shown_value
from flowbuilder.plan.convert import Given, Text, converted
from flowbuilder.plan.pieces import PlannedInput

UNTYPED = (None, Any)


class Inputs:
    """The inputs of one plan: requested while it is built, finished when it stands."""

    def __init__(self, params: Mapping[str, Any], *, lenient: bool, allow_unknown: bool = False) -> None:
        self._params = params
        self._lenient = lenient
        self._allow_unknown = allow_unknown
        self._requests: dict[str, list[tuple[Definition, bool, bool]]] = {}
        self._in_scope: Callable[[Definition], list[str]] = lambda definition: []

    def request(
        self,
        name: str,
        requester: Definition,
        has_default: bool,
        in_scope: Callable[[Definition], list[str]],
        *,
        mapped: bool = False,
    ) -> None:
        """Note that ``requester`` asks for the input ``name``; ``mapped`` when once per item."""
        self._in_scope = in_scope
        self._requests.setdefault(name, []).append((requester, has_default, mapped))

    def finished(self, other_names: Iterable[str]) -> dict[str, PlannedInput]:
        """Return every input with its value, converted and checked.

        Raises:
            InputError: for a value nobody asks for, a missing value, or one of the wrong type.
        """
        for name, value in self._params.items():
            is_spare = self._allow_unknown or (isinstance(value, Text) and value.origin == "environment")
            if name not in self._requests and not is_spare:
                raise self._unknown(name, other_names)
        return {name: self._input(name) for name in self._requests}

    def _unknown(self, name: str, other_names: Iterable[str]) -> InputError:
        is_other = name in set(other_names)
        return InputError(
            f"there is no input named {shown(name)!r}" + (": it is a step or provider" if is_other else ""),
            got=shown_value(getattr(self._params[name], "text", self._params[name])),
            allowed=listed(self._requests) or "this workflow has no inputs",
            hint="use overrides= to replace a step's value" if is_other else did_you_mean(name, self._requests),
        )

    def _input(self, name: str) -> PlannedInput:
        requests = self._requests[name]
        requester, _, mapped = requests[0]
        annotation, typed_by = self._annotation(name, requests)
        facts: dict[str, Any] = {
            "name": name,
            "annotation": annotation,
            "where": requester.where,
            "requested_by": tuple(dict.fromkeys(one.name for one, _, _ in requests)),
        }
        if name in self._params:
            value = self._params[name]
            origin = value.origin if isinstance(value, Text | Given) else "params="
            note = list if mapped and annotation is None else annotation
            return PlannedInput(value=converted(name, value, note, typed_by.where), origin=origin, **facts)
        if all(has_default for _, has_default, _ in requests):
            default = default_of(requester.fn, name) if requester.fn else None
            return PlannedInput(value=default, origin="default", **facts)
        if self._lenient:
            return PlannedInput(origin="missing", **facts)
        raise self._missing(name, next(one for one, has_default, _ in requests if not has_default))

    def _missing(self, name: str, requester: Definition) -> InputError:
        near = did_you_mean(name, [one for one in self._in_scope(requester) if one != requester.name])
        return InputError(
            f"{shown(requester.name)!r} needs {shown(name)!r}, which is no step or provider in scope"
            " and an input without a value",
            where=requester.where,
            hint=near or f"give it a value: -P {shown(name)}=…, params={{{name!r}: …}}, or a default",
        )

    def _annotation(self, name: str, requests: list[tuple[Definition, bool, bool]]) -> tuple[Any, Definition]:
        """Return the one type an input is used with, and who says so."""
        found: tuple[Any, Definition] | None = None
        for requester, _, mapped in requests:
            if mapped or requester.fn is None:
                continue
            note = annotations_of(requester.fn).get(name)
            if note in UNTYPED or isinstance(note, str):
                continue
            if found is not None and found[0] != note:
                raise InputError(
                    f"the input {shown(name)!r} is used with two types",
                    where=requester.where,
                    got=f"{shown_value(found[0])} in {found[1].name} ({found[1].where}), {shown_value(note)} here",
                    hint="annotate both alike, or rename one",
                )
            found = found or (note, requester)
        return found or (None, requests[0][0])
