"""Outcome: the result of a run, made from its state when all is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flowbuilder.engine.state import RunState
from flowbuilder.errors import StepTimeoutError
from flowbuilder.results import FAILURES, RunResult, Status, StepResult, Steps

TOO_MANY_FAILED = "too many steps failed"
_BAD = FAILURES | {Status.CANCELLED}


def run_result(
    state: RunState,
    duration: float,
    teardown_errors: Sequence[BaseException],
    plugin_failures: Sequence[tuple[str, str]],
) -> RunResult[Any]:
    """Return the result of a run that took ``duration`` seconds."""
    info, plan = state.info, state.info.plan
    steps, others = Steps(plan.shape.index, state.records.of), list(state.records.others())
    has_failed = any(status in FAILURES for _, status in others)
    # A run that failures stopped, one of its own among them, has failed; the others were cancelled.
    is_cancelled = bool(state.cancel_reason) and not (has_failed and state.cancel_reason == TOO_MANY_FAILED)
    bad = [state.records.of(unit) for unit, status in others if status in _BAD]
    failures = [error for step in bad for error in _errors(step, is_cancelled)]
    overrun = [StepTimeoutError(info.workflow, info.definition.timeout or 0.0)] if state.is_timed_out else []
    errors = _distinct([*overrun, *failures, *teardown_errors])
    return RunResult(
        run_id=info.run_id,
        workflow=info.workflow,
        status=Status.TIMED_OUT
        if state.is_timed_out
        else _status(steps, plan.body, bool(errors) or has_failed, is_cancelled),
        steps=steps,
        errors=errors,
        started_at=info.started_at,
        duration=duration,
        body=plan.body,
        sinks=plan.sinks,
        notes=tuple(_notes(state, plugin_failures)),
        plugin_failures=tuple(plugin_failures),
    )


def _status(steps: Mapping[str, StepResult[Any]], body: str | None, has_failed: bool, is_cancelled: bool) -> Status:
    if is_cancelled:
        return Status.CANCELLED
    if has_failed:
        return Status.FAILED
    if body is not None and steps[body].status is Status.SKIPPED:
        return Status.SKIPPED
    return Status.SUCCESS


def _errors(step: StepResult[Any], is_cancelled: bool) -> list[BaseException]:
    """Return the failures of a step, its items' one by one; cancellations only of a cancelled run."""
    found = [error for item in step.items or () for error in _errors(item, is_cancelled)]
    counts = step.status in FAILURES or (is_cancelled and step.status is Status.CANCELLED)
    if not found and counts and step.error is not None:
        found.append(step.error)
    return found


def _distinct(errors: Iterable[BaseException]) -> tuple[BaseException, ...]:
    # By identity: a user's exception may compare as it likes, and need not be hashable.
    return tuple({id(error): error for error in errors}.values())


def plugin_notes(failures: Iterable[tuple[str, str]]) -> list[str]:
    """Return a sentence for each watching hook that raised."""
    return [f"plugin {plugin} failed in flowbuilder_{hook}" for plugin, hook in failures]


def remarks_of(state: RunState) -> list[str]:
    """Return what there is to say of a run as a whole: the threads that it left behind come last."""
    overdue = dict.fromkeys(f"{one.info.name} {one.remark}" for one in list(state.overdue.values()))
    return [*state.notes, *overdue]


def _notes(state: RunState, plugin_failures: Iterable[tuple[str, str]]) -> list[str]:
    notes = [*remarks_of(state), *plugin_notes(plugin_failures)]
    if state.cancel_reason:
        notes.append(f"cancelled: {state.cancel_reason}")
    return notes
