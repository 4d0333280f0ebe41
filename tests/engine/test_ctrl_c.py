"""Signals: the first one cancels a run in order, the second one ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from flowbuilder import FlowBuilder, run
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.engine.long_run import Running, assert_all_ended, mixed

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def cleaned() -> list[str]:
    return []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_a_run_and_run_raises_keyboard_interrupt(
    backend: Backend, recorder: Recorder, cleaned: list[str], number: signal.Signals
) -> None:
    running, before = Running(2), [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    flows = mixed(running, cleaned)

    def interrupts() -> None:
        running.wait()
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupts)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run("whole", registry=flows, backend=backend, plugins=[recorder])
    thread.join()
    assert_all_ended(recorder, cleaned)
    assert recorder.runs[0].notes == (f"cancelled: {number.name}",)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_run_in_another_thread_leaves_signals_alone(backend: Backend) -> None:
    found: list[Any] = []
    before = signal.getsignal(signal.SIGINT)

    def body() -> bool:
        return signal.getsignal(signal.SIGINT) is before

    flow = FlowBuilder("aside").step(body).build()
    thread = threading.Thread(target=lambda: found.append(run(flow, backend=backend).value))
    thread.start()
    thread.join(10)
    assert found == [{"body": True}]


SECOND_SIGNAL = """
import os, signal, sys, threading, time
from flowbuilder import FlowBuilder, run

def stuck():
    print("running", flush=True)
    time.sleep(600)

run(FlowBuilder("stuck").step(stuck).build(), backend=sys.argv[1])
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_the_process_at_once_by_the_signal(backend: Backend, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SECOND_SIGNAL, backend],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    process.send_signal(number)
    time.sleep(0.3)  # within a tenth of a second the two would be one
    assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=10)
    assert process.returncode == -number
    assert err == ""
