"""The watchdog: names a body that blocks the event loop, and a hook that does not return."""

from __future__ import annotations

import logging
import threading
import time

import anyio
import pytest

from flowbuilder import FlowBuilder, hookimpl, run
from flowbuilder.runner import Backend


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.name == "flowbuilder" and record.levelno == logging.WARNING
    ]


@pytest.mark.parametrize(("backend", "kind"), [("asyncio", "loop"), ("trio", "loop"), ("asyncio", "inline")])
def test_a_body_that_blocks_the_loop_is_named_while_it_does(
    backend: Backend, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    named_after: list[float] = []

    def plain() -> None:
        started = time.monotonic()
        while not warnings_of(caplog) and time.monotonic() - started < 8:
            time.sleep(0.01)
        named_after.append(time.monotonic() - started)

    async def looped() -> None:
        plain()

    flow = FlowBuilder("blocked").step(
        looped if kind == "loop" else plain, name="blocks", executor=None if kind == "loop" else kind
    )
    result = run(flow.build(), backend=backend)
    assert named_after[0] < 3
    (warning,) = warnings_of(caplog)
    assert warning.startswith("blocks blocks the event loop at ")
    assert f"{__file__}:" in warning
    advice = 'use executor="thread"' if kind == "inline" else "make it a plain def, or await what takes long"
    assert warning.endswith(f": nothing else on the loop runs, and no time-out can end it; {advice}")
    assert warning in result.notes


def test_steps_that_wait_or_compute_elsewhere_are_not_named(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    async def waits() -> None:
        await anyio.sleep(1.7)

    flow = FlowBuilder("fine").step(waits).step(lambda: time.sleep(1.7), name="sleeps").build()
    result = run(flow)
    assert warnings_of(caplog) == []
    assert result.notes == ()


def test_a_hook_that_does_not_return_is_named_with_its_plugin(caplog: pytest.LogCaptureFixture) -> None:
    named = threading.Event()

    class Names(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "flowbuilder_step_finish" in record.getMessage():
                named.set()

    class Hangs:
        __name__ = "the hanging one"

        @hookimpl
        def flowbuilder_step_finish(self) -> None:
            assert named.wait(15)

    handler = Names()
    logging.getLogger("flowbuilder").addHandler(handler)
    try:
        result = run(FlowBuilder("one").step(lambda: 1, name="one").build(), plugins=[Hangs()])
    finally:
        logging.getLogger("flowbuilder").removeHandler(handler)
    (warning,) = warnings_of(caplog)
    assert warning.startswith("plugin the hanging one has been in flowbuilder_step_finish for more than 5 s")
    assert result.plugin_failures == ()
