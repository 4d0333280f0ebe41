"""Inputs: collects who requests them, and gives each its value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.declare.signature import default_of
from flowbuilder.declare.validate import composed
from flowbuilder.errors import InputError, Where, did_you_mean, listed, nearest, shown, shown_value
from flowbuilder.plan.annotations import Annotations, list_of, type_name
from flowbuilder.plan.fits import is_listed
from flowbuilder.plan.given import Given, Inherited, Text, holds_secret, shown_given
from flowbuilder.plan.home import Home, Member
from flowbuilder.plan.missing import MissingInput, hint_for
from flowbuilder.plan.pieces import PlannedInput
from flowbuilder.plan.spelling import Spelling
from flowbuilder.secret import MASK

UNTYPED = (None, Any)
NOT_GIVEN = "a body gives a workflow the values of its inputs, and its steps run by themselves"


class Request(NamedTuple):
    """One parameter that asks for an input.

    ``fn`` has the parameter: the member's own function, its predicate or its rescue. ``mapped``
    asks for a list, of which each item is a value of the parameter.
    """

    member: Member
    fn: Callable[..., Any] | None
    parameter: str
    has_default: bool = False
    mapped: bool = False

    @property
    def where(self) -> Where:
        """Where the member was written."""
        return self.member.definition.where


class Typed(NamedTuple):
    """The type an input is used with, and the request that says so."""

    annotation: Any
    request: Request


class Inputs:
    """The inputs of one plan: requested while it is built, finished when it stands.

    With ``allow_unknown``, values for names that are no input are passed over; ``is_nested`` says that they are
    those of a workflow that a body runs.
    """

    def __init__(
        self,
        params: Mapping[Any, Any],
        annotations: Annotations,
        *,
        allow_unknown: bool = False,
        is_nested: bool = False,
    ) -> None:
        self._params = {composed(name) if isinstance(name, str) else name: value for name, value in params.items()}
        self._annotations = annotations
        self._allow_unknown = allow_unknown
        self._is_nested = is_nested
        self._requests: dict[str, list[Request]] = {}

    def request(self, name: str, request: Request) -> str:
        """Note that a parameter asks for the input ``name``, and return the name its value is given under.

        That is ``name``, which all workflows of the plan share, unless there is a value for it that
        is meant for the sub-workflow alone: ``sales.path``.
        """
        given_as = next((one for one in _qualified(name, request.member.home) if one in self._params), name)
        self._requests.setdefault(given_as, []).append(request)
        return given_as

    def __iter__(self) -> Iterator[str]:
        return iter(self._requests)

    def finished(self, others: Iterable[str]) -> dict[str, PlannedInput]:
        """Return every input with its value, converted and checked; one without is "missing".

        ``others`` are the names of the plan's steps and providers.

        Raises:
            InputError: for a value nobody asks for, or one of the wrong type.
        """
        for name, value in self._params.items():
            if name not in self._requests and not (self._allow_unknown or _is_spare(value)):
                raise self._unknown(name, others)
        return {name: self._finished(name, requests) for name, requests in self._requests.items()}

    def refuse_missing(self, inputs: Mapping[str, PlannedInput], names: Callable[[Member], list[str]]) -> None:
        """Refuse inputs without a value; ``names`` gives what is in scope of a definition.

        Raises:
            InputError: naming the first one and who asks for it, and in its hint all of them.
        """
        missing = [self._missing(one, names) for one in inputs.values() if one.origin == "missing"]
        if not missing:
            return
        name = missing[0].name
        request = self._unmet(name)
        raise InputError(
            f"{shown_value(request.member.label)} needs {shown_value(name)}, which is no step or provider in scope"
            " and an input without a value",
            where=request.where,
            got=self._given_instead(name),
            hint=hint_for(missing, is_nested=self._is_nested),
        )

    def _missing(self, one: PlannedInput, names: Callable[[Member], list[str]]) -> MissingInput:
        request = self._unmet(one.name)
        known = [other for other in names(request.member) if other != request.member.definition.name]
        return MissingInput(one.name, one.annotation, known, _given_beside(request))

    def misspelt(
        self, inputs: Mapping[str, PlannedInput], spelling: Spelling, used: Callable[[Member], list[str]]
    ) -> Iterator[str]:
        """Yield a sentence for each input that stands by its default, and has nearly the name of a step or provider.

        ``used`` gives the names whose values a definition has by other parameters.
        """
        for name, one in inputs.items():
            if one.origin != "default":
                continue
            request = self._requests[name][0]
            taken = {request.member.definition.name, *used(request.member)}
            near = next((other for other in spelling.near(name, request.member) if other not in taken), None)
            if near is not None:
                yield (
                    f"{shown(request.member.label)}: the parameter {request.parameter!r} is an input with a default;"
                    f" did you mean {shown_value(near)}? ({request.where})"
                )

    def _given_instead(self, name: str) -> str:
        """Return which value that no input takes was given under a name like this one."""
        spare = [
            one
            for one, value in self._params.items()
            if one not in self._requests and isinstance(one, str) and not isinstance(value, Inherited)
        ]
        return ", ".join(f"a value for {shown_value(one)}" for one in nearest(name, spare))

    def _unknown(self, name: Any, others: Iterable[str]) -> InputError:
        is_other = name in set(others)
        known = [
            *self._requests,
            *(also for asked, requests in self._requests.items() for also in _also(asked, requests)),
        ]
        near = did_you_mean(name, known) if isinstance(name, str) else ""
        return InputError(
            f"there is no input named {shown_value(name)}" + (": it is a step or provider" if is_other else ""),
            got=MASK if self._is_for_secret(name) else shown_given(str(name), self._params[name]),
            allowed=listed(self._requests) or "this workflow has no inputs",
            hint=near if not is_other else NOT_GIVEN if self._is_nested else "use overrides= to replace a step's value",
        )

    def _is_for_secret(self, name: Any) -> bool:
        """Return whether a value was meant, by a name that is nearly right, for an input that holds a secret."""
        near = nearest(name, self._requests) if isinstance(name, str) else []
        return any(holds_secret(one, self._typed(one, self._requests[one]).annotation) for one in near)

    def _finished(self, name: str, requests: list[Request]) -> PlannedInput:
        typed, fn = self._typed(name, requests), requests[0].fn
        has_default = all(one.has_default for one in requests)
        default = default_of(fn, requests[0].parameter) if has_default and fn else None
        facts: dict[str, Any] = {
            "name": name,
            "annotation": typed.annotation,
            "where": requests[0].where,
            "requested_by": tuple(dict.fromkeys(one.member.label for one in requests)),
            "has_default": has_default,
            "default": default,
            "qualified": _also(name, requests),
        }
        if name in self._params:
            given = self._params[name]
            origin = given.origin if isinstance(given, Text | Given | Inherited) else "params="
            value = _inherited(name, given, typed) if isinstance(given, Inherited) else _value(name, given, typed)
            return PlannedInput(value=value, origin=origin, **facts)
        if has_default:
            return PlannedInput(value=default, **facts)
        return PlannedInput(origin="missing", **facts)

    def _unmet(self, name: str) -> Request:
        return next(one for one in self._requests[name] if not one.has_default)

    def _typed(self, name: str, requests: list[Request]) -> Typed:
        """Return the one type an input is used with, and who says so."""
        found: Typed | None = None
        mapped: Typed | None = None
        for one in requests:
            note = self._annotations.of(one.fn, one.parameter)
            if note in UNTYPED:
                continue
            if one.mapped:
                mapped = mapped or Typed(note if isinstance(note, str) else list_of(note), one)
            elif found is None:
                found = Typed(note, one)
            elif found.annotation != note:
                raise _two_types(name, found, Typed(note, one))
        is_list = any(one.mapped for one in requests)
        return found or mapped or Typed(list if is_list else None, requests[0])


def _is_spare(value: Any) -> bool:
    """Return whether a value was not given for this plan alone, so that nobody need ask for it."""
    return isinstance(value, Inherited) or (isinstance(value, Text) and value.origin == "environment")


def _qualified(name: str, home: Home) -> Iterator[str]:
    """Yield the names under which an input can be given to a home alone, the innermost first."""
    inner: Home | None = home
    while inner is not None and inner.name:
        yield inner.prefix + name
        inner = inner.outer


def _given_beside(request: Request) -> tuple[str, ...]:
    """Return what a function that stands beside the body of its step is given, over what it names in scope."""
    step = request.member.definition
    if not isinstance(step, StepDefinition) or request.fn is None or request.fn is step.fn:
        return ()
    if step.until is not None and request.fn is step.until.predicate:
        return "result", "previous"
    return ("error",) if request.fn is step.on_error else ("result",) if request.fn is step.undo else ()


def _also(name: str, requests: Iterable[Request]) -> tuple[str, ...]:
    """Return the names of an input that is shared by name, for one sub-workflow each."""
    if "." in name:
        return ()
    return tuple(dict.fromkeys(also for one in requests for also in _qualified(name, one.member.home)))


def _value(name: str, given: Any, typed: Typed) -> Any:
    """Return what was given for an input as its type asks for it."""
    from flowbuilder.plan.convert import converted  # which loads readers of many types

    note, request = typed
    where = request.where
    if isinstance(note, str):
        if isinstance(given, Text | Given):
            raise InputError(
                f"the input {shown_value(name)} cannot be read: its annotation {shown_value(note)} stands for nothing",
                where=where,
                got=f"{shown_given(name, given)} ({shown(given.origin)})",
                hint="import the name also at run time, not only for type checkers",
            )
        return given
    if not request.mapped or isinstance(given, Text | Given):
        return converted(name, given, note, where)
    if not is_listed(given):
        raise InputError(
            f"{shown_value(request.member.label)} is called once per item of {shown_value(name)}, which is no list",
            where=where,
            got=shown_given(name, given),
            allowed=type_name(note),
        )
    converted(name, list(given), note, where)
    return given


def _inherited(name: str, given: Inherited, typed: Typed) -> Any:
    """Return the value that an input has from the run around a nested one, whose input may be of another type."""
    try:
        return _value(name, given.value, typed)
    except InputError as error:
        error.hint = f"it has its value from {given.origin}; pass another: {shown(name)}=…"
        raise


def _two_types(name: str, first: Typed, second: Typed) -> InputError:
    one, other = first.request, second.request
    apart = next((home.prefix for home in (other.member.home, one.member.home) if home.name), "")
    is_split = one.member.home is not other.member.home and apart
    return InputError(
        f"the input {shown_value(name)} is used with two types",
        where=other.where,
        got=f"{type_name(first.annotation)} in {shown_value(one.member.label)} ({one.where}),"
        f" {type_name(second.annotation)} {f'in {shown_value(other.member.label)}' if is_split else 'here'}",
        hint=f"annotate both alike, or give {shown(apart[:-1])} one of its own: -P {shown(apart + name)}=…"
        if is_split
        else "annotate both alike, or rename one",
    )
