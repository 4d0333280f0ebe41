"""Process steps: a worker that dies fails its step alone, and what it said comes back in order."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import anyio
import psutil
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, arun, run
from flowbuilder.errors import PlanError, StepTimeoutError, WorkerDiedError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import Collect, InLoop

DYING = """
    import ctypes, os, signal, sys
    from flowbuilder import step

    @step(executor="process")
    def killed() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @step(executor="process")
    def terminated() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    @step(executor="process")
    def segfaults() -> None:
        ctypes.string_at(0)

    @step(executor="process")
    def aborts() -> None:
        os.abort()

    @step(executor="process")
    def exits_at_once() -> None:
        os._exit(3)

    @step(executor="process")
    def exits_as_if_well() -> None:
        os._exit(0)

    @step(executor="process")
    def exits() -> None:
        sys.exit(4)

    @step(executor="process")
    def good() -> str:
        return "ran"

    @step
    def in_a_thread() -> str:
        return "ran"
"""


def all_of(flows: Registry) -> FlowBuilder:
    flow = FlowBuilder("all")
    for definition in flows.steps.values():
        flow.step(definition)  # type: ignore[arg-type]  # a definition is taken as it is
    return flow


def test_a_worker_that_dies_fails_its_own_step_alone_and_says_how(
    collect: Collect, backend: Backend, recorder: Recorder
) -> None:
    flow = all_of(collect(DYING)).build()
    result = run(flow, backend=backend, plugins=[recorder], config=ParallelConfig(max_concurrency=2))

    errors = {name: str(step.error) for name, step in result.steps.items() if step.error is not None}
    assert errors == {
        "killed": "the worker process was killed by SIGKILL (out of memory?)",
        "terminated": "the worker process was killed by SIGTERM",
        "segfaults": "the worker process was killed by SIGSEGV",
        "aborts": "the worker process was killed by SIGABRT",
        "exits_at_once": "the worker process exited with code 3 before the step returned",
        "exits_as_if_well": "the worker process exited with code 0 before the step returned",
        "exits": "4",
    }
    assert isinstance(result.steps["killed"].error, WorkerDiedError)
    assert isinstance(result.steps["exits"].error, SystemExit)
    assert {step.status for name, step in result.steps.items() if name in errors} == {Status.FAILED}
    assert result.steps["good"].value == result.steps["in_a_thread"].value == "ran"
    assert recorder.of("killed") == ["start killed 1", "error killed failed"]


def test_a_killed_worker_is_replaced_for_the_retry(collect: Collect, backend: Backend, recorder: Recorder) -> None:
    flows = collect("""
        import os, signal
        from pathlib import Path
        from flowbuilder import step

        @step(executor="process", retries=2)
        def dies_once(mark: Path) -> int:
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return os.getpid()
    """)
    mark = Path(sys.modules[flows.steps["dies_once"].module].__file__ or "").with_name("mark")
    result = run("dies_once", registry=flows, params={"mark": mark}, backend=backend, plugins=[recorder])
    assert result.value != os.getpid()
    assert recorder.of("dies_once") == [
        "start dies_once 1", "retry dies_once 1 WorkerDiedError", "start dies_once 2", "finish dies_once",
    ]  # fmt: skip


def test_a_worker_that_died_between_two_steps_does_not_fail_the_next_one(collect: Collect) -> None:
    flows = collect("""
        import os, threading, time
        from flowbuilder import step

        @step(executor="process")
        def leaves_a_trap() -> int:
            threading.Timer(0.1, lambda: os._exit(9)).start()
            return os.getpid()

        @step
        def waits(leaves_a_trap: int) -> int:
            time.sleep(0.4)
            return leaves_a_trap

        @step(executor="process")
        def next_one(waits: int) -> bool:
            return os.getpid() != waits
    """)
    result = run("next_one", registry=flows, config=ParallelConfig(max_concurrency=1))
    assert result.steps["next_one"].error is None
    assert result.value is True


def test_workers_are_warm_and_not_more_than_slots(collect: Collect, backend: Backend) -> None:
    flows = collect("""
        import os
        from flowbuilder import step

        @step(executor="process", each={"n": list(range(30))})
        def where(n: int) -> int:
            return os.getpid()
    """)
    result = run("where", registry=flows, config=ParallelConfig(max_concurrency=2), backend=backend)
    pids = set(result.value)
    assert len(result.value) == 30
    assert 1 <= len(pids) <= 2
    assert os.getpid() not in pids
    assert not any(map(lives, pids))


# Time-outs and cancellation.

SLOW = """
    import os, subprocess, sys, time
    from pathlib import Path
    from flowbuilder import step

    @step(executor="process", timeout=1.0)
    def slow(pids: Path) -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        pids.write_text(f"{os.getpid()} {child.pid}")
        while True:
            pass

    @step(executor="process", name="endless")
    def endless(pids: Path) -> None:
        pids.write_text(str(os.getpid()))
        time.sleep(600)
"""


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids: list[int]) -> bool:
    deadline = time.monotonic() + 5
    while any(map(lives, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(lives, pids))


def test_a_process_step_is_killed_at_its_deadline_with_what_it_started(
    collect: Collect, backend: Backend, tmp_path: Path
) -> None:
    flows, file = collect(SLOW), tmp_path / "pids"
    result = run("slow", registry=flows, params={"pids": file}, backend=backend)

    step = result.steps["slow"]
    assert step.status is Status.TIMED_OUT
    assert isinstance(step.error, StepTimeoutError)
    assert str(step.error) == "slow timed out after 1 s"
    assert step.duration is not None
    assert 1.0 <= step.duration < 3
    assert result.notes == ()
    assert gone([int(pid) for pid in file.read_text().split()])


def test_a_process_step_is_killed_when_its_run_is_cancelled(
    collect: Collect, in_loop: InLoop, tmp_path: Path, recorder: Recorder
) -> None:
    flows, file = collect(SLOW), tmp_path / "pids"

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: arun("endless", registry=flows, params={"pids": file}, plugins=[recorder]))
            with anyio.fail_after(10):
                while not (file.exists() and file.read_text()):
                    await anyio.sleep(0.01)
            group.cancel_scope.cancel()

    in_loop(main)
    assert recorder.runs[0].steps["endless"].status is Status.CANCELLED
    assert recorder.of("endless") == ["start endless 1", "error endless cancelled"]
    assert gone([int(file.read_text())])


def test_a_user_time_out_in_a_process_step_is_an_ordinary_failure(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step(executor="process", timeout=60)
        def late() -> None:
            raise TimeoutError("mine")
    """)
    result = run("late", registry=flows)
    assert result.steps["late"].status is Status.FAILED
    assert str(result.steps["late"].error) == "mine"


# What is sent and what comes back.


def test_large_values_go_both_ways_with_and_without_a_limit(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step
        def source() -> bytes:
            return bytes(50_000_000)

        @step(executor="process", timeout=60)
        def limited(source: bytes) -> bytes:
            return source + b"1"

        @step(executor="process")
        def unlimited(limited: bytes) -> bytes:
            return limited + b"2"

        @step
        def checked(unlimited: bytes) -> bool:
            return len(unlimited) == 50_000_002 and unlimited.endswith(b"12")
    """)
    assert run("checked", registry=flows).value is True


UNSENDABLE = """
    import threading
    from flowbuilder import Retry, step

    class Local(Exception):
        def __init__(self, first, second):
            super().__init__(f"{first} and {second}")

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no text")

        def __reduce__(self):
            raise RuntimeError("no pickle")

    class Loads:
        def __reduce__(self):
            return (int, ("no number",))

    @step
    def lock():
        return threading.Lock()

    @step(executor="process")
    def argument(lock):
        raise AssertionError("it was sent")

    @step(executor="process")
    def returned():
        return threading.Lock()

    @step(executor="process")
    def raised():
        raise Local("one", "two")

    @step(executor="process")
    def raised_broken():
        raise Broken

    @step(executor="process")
    def returned_unloadable():
        return Loads()

    @step(executor="process")
    def good():
        return "ran"
"""


def test_what_cannot_be_sent_fails_its_own_step_with_a_clear_message(collect: Collect) -> None:
    flow = all_of(collect(UNSENDABLE)).build()
    result = run(flow, config=ParallelConfig(max_concurrency=1))

    errors = {name: str(step.error) for name, step in result.steps.items() if step.error is not None}
    lock = "cannot pickle '_thread.lock' object"
    assert errors["argument"] == f"the arguments cannot be sent to a worker process: {lock}"
    assert errors["returned"] == f"the step's result (lock) cannot be sent back: {lock}"
    assert errors["raised"] == "Local: one and two"
    assert errors["raised_broken"].startswith("Broken")
    assert "no number" in errors["returned_unloadable"]
    assert result.steps["good"].value == "ran"


def test_an_error_comes_back_as_itself_with_the_traceback_of_the_worker(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        def deeper(n: int) -> None:
            raise LookupError(f"no row {n}")

        @step(executor="process")
        def broken(n: int) -> None:
            deeper(n)
    """)
    result = run("broken", registry=flows, params={"n": 3})
    error = result.steps["broken"].error
    assert isinstance(error, LookupError)
    assert str(error) == "no row 3"
    trace = str(error.__cause__)
    assert "in deeper" in trace
    assert "flow_test.py" in trace
    assert "worker.py" not in trace


def test_a_partial_is_a_process_step_with_its_settled_arguments(collect: Collect) -> None:
    flows = collect("""
        from functools import partial
        from flowbuilder import step

        def scaled(n: int, factor: int, plus: int = 0) -> int:
            return n * factor + plus

        tripled = step(name="tripled", executor="process")(partial(partial(scaled, factor=2, plus=1), factor=3))
    """)
    assert run("tripled", registry=flows, params={"n": 5}).value == 16


def test_a_result_keeps_its_identity_of_type_with_the_parents_module(collect: Collect) -> None:
    flows = collect("""
        from dataclasses import dataclass
        from flowbuilder import step

        @dataclass
        class Stats:
            lines: int

        @step(executor="process")
        def measured() -> Stats:
            return Stats(3)

        @step
        def is_same(measured: Stats) -> bool:
            return type(measured) is Stats
    """)
    assert run("is_same", registry=flows).value is True


def test_two_flow_files_of_the_same_name_in_two_folders_never_mix_in_a_worker(collect: Collect) -> None:
    text = """
        import os
        from flowbuilder import step

        @step(name="{name}", executor="process", retries=0)
        def who() -> tuple[str, int]:
            return "{name}", os.getpid()
    """
    flow = FlowBuilder("both")
    for name in ("left", "right"):
        flows = collect(text.replace("{name}", name), f"{name}/flow_same.py")
        flow.step(flows.steps[name])  # type: ignore[arg-type]  # a definition is taken as it is
    result = run(flow.build(), config=ParallelConfig(max_concurrency=1))
    assert {name: value[0] for name, value in result.value.items()} == {"left": "left", "right": "right"}
    assert len({value[1] for value in result.value.values()}) == 1


def test_a_worker_imports_what_lies_beside_the_flow_file(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "beside_the_flow.py").write_text("ANSWER = 42\n")
    flows = collect("""
        from flowbuilder import step
        import beside_the_flow

        @step(executor="process")
        def answer() -> int:
            return beside_the_flow.ANSWER
    """)
    assert run("answer", registry=flows).value == 42


# Output and log.


def test_what_a_process_step_prints_is_printed_here_in_order(
    collect: Collect, capfd: pytest.CaptureFixture[str]
) -> None:
    flows = collect("""
        import os, subprocess, sys
        from flowbuilder import step

        @step(executor="process", each={"n": [1, 2]})
        def says(n: int) -> None:
            print(f"line {n}")
            sys.stdout.flush()
            os.write(1, f"descriptor {n}\\n".encode())
            subprocess.run([sys.executable, "-c", f"print('child {n}')"])
            print(f"error {n}", file=sys.stderr)
            print("ünïcode", "x" * 3)
    """)
    run("says", registry=flows, config=ParallelConfig(max_concurrency=1)).raise_for_errors()
    out, err = capfd.readouterr()
    assert out == "".join(f"line {n}\ndescriptor {n}\nchild {n}\nünïcode xxx\n" for n in (1, 2))
    assert err == "error 1\nerror 2\n"


def test_the_last_words_of_a_worker_that_died_are_printed(collect: Collect, capfd: pytest.CaptureFixture[str]) -> None:
    flows = collect("""
        import os, sys
        from flowbuilder import step

        @step(executor="process")
        def dies() -> None:
            print("last words", flush=True)
            os._exit(3)
    """)
    run("dies", registry=flows)
    assert capfd.readouterr().out == "last words\n"


def test_much_output_comes_back_whole(collect: Collect, capfd: pytest.CaptureFixture[str]) -> None:
    flows = collect("""
        from flowbuilder import step

        @step(executor="process")
        def says() -> None:
            for number in range(300_000):
                print(f"line {number}")
    """)
    run("says", registry=flows).raise_for_errors()
    lines = capfd.readouterr().out.splitlines()
    assert len(lines) == 300_000
    assert lines[-1] == "line 299999"


LOGGING = """
    import logging, threading
    from flowbuilder import step

    log = logging.getLogger("a.library")

    @step(executor="process")
    def says() -> str:
        log.debug("too quiet")
        log.warning("first %s", "record")
        try:
            1 / 0
        except ZeroDivisionError:
            log.exception("second")
        log.warning("third", extra={"lock": threading.Lock()})
        log.warning("%d", "no number")
        log.error("last")
        return "ran"
"""


def test_what_a_process_step_logs_is_logged_here_in_order(
    collect: Collect, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run("says", registry=collect(LOGGING))

    assert result.steps["says"].error is None
    records = [record for record in caplog.records if record.name == "a.library"]
    assert [record.msg for record in records if "number" not in str(record.msg) and record.msg != "%d"] == [
        "first record", "second", "third", "last",
    ]  # fmt: skip
    assert [record.levelno for record in records][:2] == [logging.WARNING, logging.ERROR]
    assert "ZeroDivisionError" in (records[1].exc_text or "")
    capfd.readouterr()


# Beside the steps themselves.


def test_a_function_inside_a_function_is_refused_before_anything_runs(recorder: Recorder) -> None:
    flows = Registry()

    @flows.step(executor="process")
    def inside() -> None: ...

    with pytest.raises(PlanError, match="'inside' cannot run in a worker process: it is defined inside a function"):
        run(inside, registry=flows, plugins=[recorder])
    assert recorder.told == []


LOADED = """
import sys
from flowbuilder import FlowBuilder, run
run(FlowBuilder("one").step(lambda: 1, name="one").build())
print(*(name for name in sys.modules if name.startswith("flowbuilder") and ("worker" in name or "process" in name)))
"""


@pytest.mark.usefixtures("unmeasured")
def test_nothing_of_the_process_lane_is_loaded_unless_a_step_asks_for_it() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split() == []


def test_many_runs_with_workers_leave_no_file_descriptor_open(collect: Collect) -> None:
    flows = collect("""
        import os
        from flowbuilder import step

        @step(executor="process", retries=0)
        def dies(n: int) -> None:
            os._exit(n) if n else None
    """)
    run("dies", registry=flows, params={"n": 0})
    before = psutil.Process().num_fds()
    for n in (0, 1, 0, 1):
        run("dies", registry=flows, params={"n": n})
    assert psutil.Process().num_fds() == before


def test_a_worker_ignores_the_terminals_ctrl_c(collect: Collect) -> None:
    flows = collect("""
        import os, signal
        from flowbuilder import step

        @step(executor="process")
        def interrupted() -> str:
            os.kill(os.getpid(), signal.SIGINT)
            return "went on"
    """)
    assert run("interrupted", registry=flows).value == "went on"
