"""Caching: what steps returned in earlier runs for the same code and inputs, and why nothing where nothing is found."""

from __future__ import annotations

import hashlib
import sys
import time
from collections.abc import Iterator, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any

from flowbuilder.declare.cache import Cache
from flowbuilder.declare.signature import default_of, innermost
from flowbuilder.engine.cached import Look
from flowbuilder.engine.views import RunInfo
from flowbuilder.errors import StoreError, listed, shown
from flowbuilder.plan.given import holds_secret
from flowbuilder.plan.plan import Binding, Kind, Plan, PlannedStep
from flowbuilder.results import CacheNote, StepResult
from flowbuilder.secret import Secret
from flowbuilder.store.canonical import Canonical, UnstableError
from flowbuilder.store.contract import Store
from flowbuilder.store.fingerprint import Fingerprint
from flowbuilder.store.rows import CacheRow
from flowbuilder.store.values import decode

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
NAMED = 5
HINT = "say by key= what counts"


class Caching:
    """Looks for the results of steps in a store; with ``reads`` False it finds none, but has them kept."""

    def __init__(self, store: Store, *, reads: bool = True) -> None:
        self._store = store
        self._reads = reads
        self._marks: dict[int, tuple[Any, str]] = {}
        self._codes: dict[int, tuple[PlannedStep, Mapping[str, str] | UnstableError]] = {}

    def prepare(self, plan: Plan) -> None:
        """Look at the code of a plan's steps before any of them runs, and could change what it refers to."""
        for number in plan.shape.cached:
            step = plan.steps[number]
            self._codes.setdefault(id(step), (step, self._look_at_code(step)))

    def look_up(self, run: RunInfo, step: PlannedStep, arguments: Mapping[str, Any]) -> Look:
        """Return the result that stands for that of a step, or why there is none."""
        try:
            row = self._row(run.plan, run.run_id, step, arguments)
        except UnstableError as error:
            return _miss(f"{shown(str(error), 300)}; {HINT}")
        if not self._reads:
            return _miss("nothing is taken from the cache", row)
        try:
            note, found = self._found(row, _cache_of(step))
            return Look(note=note, value=decode(found.value)) if found is not None else Look(note=note, kept=row)
        except StoreError as error:
            return _miss(shown(error.what), row)
        except ValueError as error:
            return _miss(f"what is stored cannot be read any more ({shown(str(error), 200)})", row)

    def foresee(self, plan: Plan) -> Iterator[tuple[str, str]]:
        """Yield for each step that is cached what is known of its result before anything runs; nothing is loaded."""
        self.prepare(plan)
        for number in sorted(plan.shape.cached):
            step = plan.steps[number]
            yield step.name, _not_known(plan, step) or self._foreseen(plan, step)

    def _foreseen(self, plan: Plan, step: PlannedStep) -> str:
        given = {name for name, one in plan.inputs.items() if one.origin != "default"}
        arguments = {
            one.parameter: plan.inputs[one.source].value if one.kind is Kind.INPUT else one.value
            for one in step.bindings
            if one.kind is Kind.VALUE or (one.kind is Kind.INPUT and one.source in given)
        }
        try:
            note, _ = self._found(self._row(plan, "", step, arguments), _cache_of(step))
        except UnstableError as error:
            return f"not from cache: {shown(str(error), 300)}; {HINT}"
        return f"{'' if note.is_hit else 'not '}from cache: {note.reason}"

    def _found(self, row: CacheRow, cache: Cache) -> tuple[CacheNote, CacheRow | None]:
        found = self._store.cached(row.key)
        if found is None:
            before = next(iter(self._store.cache_rows(row.step, 1)), None)
            return CacheNote(False, _difference(before, row) if before else "nothing is stored for it yet"), None
        age = time.time() - found.made_at
        if cache.seconds is not None and age > cache.seconds:
            return CacheNote(False, f"what is stored is {_age(age)} old, and expires after {_age(cache.seconds)}"), None
        return CacheNote(True, f"run {found.run_id}, {_age(age)} ago"), found

    # Keys.

    def _row(self, plan: Plan, run_id: str, step: PlannedStep, arguments: Mapping[str, Any]) -> CacheRow:
        cache, code = _cache_of(step), self._code_of(step)
        inputs, hidden = {}, []
        secrets = {name for name, value in _values(step, arguments) if isinstance(value, Secret)}
        for name, data in self._inputs(plan, step, cache, arguments):
            if name in secrets or _is_secret(name, plan):
                # It counts in the key alone: a mark of its own could be tried against likely values.
                hidden.append(_mark(data))
            else:
                inputs[name] = _mark(data)
        facts = Canonical(self._code).of((PYTHON, cache.version, code, inputs, hidden))
        return CacheRow(
            key=hashlib.sha256(facts).hexdigest(),
            step=step.name,
            run_id=run_id,
            code={**code, "Python": PYTHON},
            inputs=inputs,
            version="" if cache.version is None else repr(cache.version),
        )

    def _inputs(
        self, plan: Plan, step: PlannedStep, cache: Cache, arguments: Mapping[str, Any]
    ) -> Iterator[tuple[str, bytes]]:
        """Yield what counts as an input, by name, as bytes."""
        values = dict(_values(step, arguments))
        if cache.key is not None:
            asked = [name for name in _parameters(cache.key) if name in values or name in arguments]
            yield "the key", self._of("the key", cache.key(**{name: {**arguments, **values}[name] for name in asked}))
            return
        for name, value in values.items():
            yield name, self._of(name, _plain(value))
        for name in dict.fromkeys(one.source for one in step.bindings if one.kind is Kind.PROVIDER):
            yield from self._of_provider(plan, name)

    def _of_provider(self, plan: Plan, name: str) -> Iterator[tuple[str, bytes]]:
        """Yield what a provider is made of: its code, and the inputs it takes; what it gives is no data."""
        provider = plan.providers.get(name)
        if provider is None:
            return
        yield name, self._code(provider.definition.fn) or b""
        for one in provider.bindings:
            if one.kind is Kind.PROVIDER:
                yield from self._of_provider(plan, one.source)
            elif one.kind is Kind.INPUT and one.source in plan.inputs:
                yield one.source, self._of(one.source, _plain(plan.inputs[one.source].value))
            elif one.kind is Kind.VALUE:
                yield one.parameter, self._of(one.parameter, one.value)

    def _of(self, name: str, value: Any) -> bytes:
        try:
            # One of its own, which knows what it is inside of: lanes look values up from many threads.
            return Canonical(self._code).of(value)
        except UnstableError as error:
            raise error.inside(name) from None
        except Exception as error:  # objects are looked into here, whose own code may raise anything
            raise _opaque(value, error).inside(name) from None

    def _code_of(self, step: PlannedStep) -> Mapping[str, str]:
        known = self._codes.get(id(step))
        if known is None:
            known = self._codes[id(step)] = step, self._look_at_code(step)
        if isinstance(known[1], UnstableError):
            raise known[1]
        return known[1]

    def _look_at_code(self, step: PlannedStep) -> Mapping[str, str] | UnstableError:
        fn: Any = step.definition.fn
        key = _cache_of(step).key
        try:
            marks = dict(Fingerprint(fn.func if isinstance(fn, partial) else fn).marks)
            return marks if key is None else {**marks, "its key function": Fingerprint(key).mark}
        except Exception as error:  # as above
            return _opaque(fn, error).inside("its code")

    def _code(self, thing: Any) -> bytes | None:
        """Return what stands for a class or function that is, or is part of, a value."""
        if not isinstance(thing, type | FunctionType | BuiltinFunctionType | partial):
            return None
        known = self._marks.get(id(thing))
        if known is None:
            known = self._marks[id(thing)] = thing, Fingerprint(thing).mark
        return known[1].encode()


def _values(step: PlannedStep, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the values of a step's parameters, settled ones and defaults too; but for providers and ``ctx``."""
    fn: Any = step.definition.fn
    if isinstance(fn, partial):
        yield from ((f"argument {index}", value) for index, value in enumerate(fn.args))
        yield from fn.keywords.items()
    for one in step.bindings:
        if one.kind not in (Kind.PROVIDER, Kind.CONTEXT):
            yield one.parameter, arguments[one.parameter] if one.parameter in arguments else _default(fn, one)


def _default(fn: Any, binding: Binding) -> Any:
    return default_of(fn, binding.parameter)


def _parameters(key: Any) -> tuple[str, ...]:
    code = innermost(key).__code__
    return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]  # type: ignore[no-any-return]  # of a function


def _plain(value: Any) -> Any:
    """Return what of a ``StepResult`` or of a ``Secret`` counts."""
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, StepResult):
        return "StepResult", str(value.status), value.raw_value, value.reason
    return value


def _opaque(value: Any, error: Exception) -> UnstableError:
    return UnstableError(value, f"which cannot be looked into ({type(error).__name__}: {shown(str(error), 100)})")


def _is_secret(name: str, plan: Plan) -> bool:
    given = plan.inputs.get(name)
    return holds_secret(name, given.annotation if given is not None else None)


def _cache_of(step: PlannedStep) -> Cache:
    return getattr(step.definition, "cache", None) or Cache()


def _not_known(plan: Plan, step: PlannedStep) -> str:
    """Return why nothing is known of a step's inputs before it runs; "" where they are known."""
    if _cache_of(step).key is not None:
        return "known when its key function is called"
    sources = [one.source for one in (*step.bindings, *step.each) if one.kind is Kind.STEP]
    items = "item by item " * step.mapped
    if sources:
        return f"known {items}when {listed(sources)} {'have' if sources[1:] else 'has'} run"
    asked = [one.source for one in step.bindings if one.kind is Kind.INPUT]
    missing = [name for name in asked if plan.inputs[name].origin == "missing"]
    if missing:
        return f"known when {listed(missing)} {'are' if missing[1:] else 'is'} given"
    return f"known {items}when it runs" if items else ""


def _miss(reason: str, row: CacheRow | None = None) -> Look:
    return Look(note=CacheNote(False, reason), kept=row)


def _mark(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _difference(before: CacheRow, now: CacheRow) -> str:
    """Return in words what is different from the last time that a step was stored."""
    if before.version != now.version:
        return "its version has changed"
    changed = _changed(before.code, now.code)
    if changed:
        return f"its code has changed: {listed(changed, NAMED)}"
    changed = _changed(before.inputs, now.inputs)
    return f"nothing is stored for this {listed(changed, NAMED)}" if changed else "nothing is stored for these inputs"


def _changed(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return [name for name in {**now, **before} if before.get(name) != now.get(name)]


def _age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds / length):,} {unit}"
    return f"{seconds:.0f} s"
