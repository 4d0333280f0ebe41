"""Watching hooks that raise: logged once, silenced for that run, and unable to break it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flowbuilder import (
    hookimpl,
    run,
)
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.endings import every_ending, small_flow

HOOKS = (
    "run_start", "step_start", "step_retry", "step_repeat", "step_finish", "step_error", "step_skip", "step_undo",
    "run_finish",
)  # fmt: skip


def raising(hook: str, error: BaseException, calls: list[str]) -> Any:
    def raises(self: object) -> None:
        calls.append(hook)
        raise error

    def hears(self: object) -> None:
        calls.append("run_finish, and still hears")

    hooks = {f"flowbuilder_{hook}": hookimpl(raises)}
    if hook != "run_finish":
        hooks["flowbuilder_run_finish"] = hookimpl(hears)
    return type("Raising", (), hooks)()


@pytest.mark.parametrize("error", [ValueError("bad plugin"), SystemExit(9), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("hook", HOOKS)
def test_a_watcher_that_raises_is_logged_once_and_silenced_and_the_others_go_on(
    backend: Backend, recorder: Recorder, caplog: pytest.LogCaptureFixture, hook: str, error: BaseException
) -> None:
    calls: list[str] = []
    quiet = Recorder()
    result = run(every_ending(), backend=backend, plugins=[recorder, raising(hook, error, calls), quiet])

    assert calls == [hook]
    assert sorted(recorder.told) == sorted(quiet.told)
    assert recorder.told[-1] == "run_finish endings failed"
    (record,) = [one for one in caplog.records if one.name == "flowbuilder" and "failed in" in one.getMessage()]
    assert record.levelno == logging.ERROR
    assert f"failed in flowbuilder_{hook} and hears nothing more of this run" in record.getMessage()
    assert record.exc_info is not None
    assert record.exc_info[1] is error
    assert result.success_count == 3
    if hook != "run_finish":
        assert [failed for _, failed in result.plugin_failures] == [hook]
        assert any(f"failed in flowbuilder_{hook}" in note for note in result.notes)


def test_a_plugin_that_was_silenced_in_one_run_hears_the_next(backend: Backend) -> None:
    calls: list[str] = []
    plugin = raising("run_start", ValueError("bad plugin"), calls)
    for _ in range(2):
        run(small_flow(), backend=backend, plugins=[plugin])

    assert calls == ["run_start", "run_start"]
