"""Process steps: a worker that dies fails its step alone, and none outlives its run."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Status, StepInfo, arun, hookimpl, run
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


def test_the_death_of_a_worker_is_seen_also_where_what_it_forked_lives_on(collect: Collect, tmp_path: Path) -> None:
    flows = collect("""
        import os, time
        from pathlib import Path
        from flowbuilder import step

        @step(executor="process")
        def forks(pids: Path) -> None:
            child = os.fork()
            if child == 0:
                time.sleep(30)
                os._exit(0)
            pids.write_text(str(child))
            os._exit(3)
    """)
    result = run("forks", registry=flows, params={"pids": tmp_path / "pids"})
    step = result.steps["forks"]
    assert str(step.error) == "the worker process exited with code 3 before the step returned"
    assert (step.duration or 0) < 10
    assert gone([int((tmp_path / "pids").read_text())])


def test_a_file_in_the_current_folder_does_not_stand_for_a_module_of_pythons_own(
    collect: Collect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flows = collect("""
        import signal
        from flowbuilder import step

        @step(executor="process")
        def works() -> bool:
            return hasattr(signal, "SIGINT")
    """)
    (tmp_path / "signal.py").write_text("buy = 1\n")
    monkeypatch.chdir(tmp_path)
    assert run("works", registry=flows).value is True


def test_a_process_step_may_have_a_time_limit_where_more_files_are_open_than_select_can_take(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step(executor="process", timeout=20)
        def works() -> int:
            return 1
    """)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with ExitStack() as files:
        files.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1024):
            files.callback(os.close, os.open(os.devnull, os.O_RDONLY))
        assert run("works", registry=flows).value == 1


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


@pytest.mark.usefixtures("unmeasured")
def test_a_worker_loads_nothing_that_it_seldom_needs() -> None:
    heavy = {"networkx", "rich", "click", "anyio", "msgspec", "asyncio", "multiprocessing", "tempfile", "hashlib"}
    program = f"import sys, flowbuilder.engine.worker; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
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


def test_the_progress_of_a_body_in_a_worker_is_told_while_it_runs(collect: Collect, backend: Backend) -> None:
    flows = collect("""
        import threading
        from flowbuilder import step

        late = threading.Event()

        @step(executor="process")
        def work(ctx):
            for done in range(1, 1001):
                ctx.progress(done, 1000)
            threading.Thread(target=lambda: (late.wait(), ctx.progress(7)), daemon=True).start()

        @step(executor="process")
        def after(work, ctx):
            late.set()
            ctx.progress(lambda: 0)
    """)
    told: list[tuple[str, Any, Any]] = []

    class Plugin:
        @hookimpl
        def flowbuilder_step_progress(self, step: StepInfo, done: Any, total: Any) -> None:
            told.append((step.name, done, total))

    config = ParallelConfig(max_concurrency=1)
    run("after", registry=flows, backend=backend, plugins=[Plugin()], config=config).raise_for_errors()
    of_work = [one for one in told if one[0] == "work"]
    assert (of_work[0], of_work[-1]) == (("work", 1, 1000), ("work", 1000, 1000))
    assert len(of_work) < 100
    (other,) = [one for one in told if one[0] == "after"]
    assert (other[1][:9], other[2]) == ("<function", None)
