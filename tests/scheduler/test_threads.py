"""Who may submit from where: other threads, the steps of the same scheduler, and programs without a loop."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import anyio.to_thread
import pytest

from flowbuilder import Handle, WorkflowScheduler
from flowbuilder.errors import InsideLoopError, SchedulerClosedError
from flowbuilder.runner import Backend
from flowbuilder.testing import Recorder
from tests.conftest import InLoop
from tests.engine.long_run import Running, assert_all_ended, mixed
from tests.scheduler.flows import Gate, single, until


def test_many_threads_submit_at_once(in_loop: InLoop) -> None:
    async def main() -> list[Any]:
        async with WorkflowScheduler(4) as scheduler:

            def submits(first: int) -> list[Any]:
                handles = [scheduler.submit(single(f"run_{n}", lambda n=n: n)) for n in range(first, first + 10)]
                return [one.wait_sync(10).value["one"] for one in handles]

            found: list[Any] = []
            async with anyio.create_task_group() as group:

                async def aside(first: int) -> None:
                    found.extend(await anyio.to_thread.run_sync(submits, first))

                for first in range(0, 80, 10):
                    group.start_soon(aside, first)
            return sorted(found)

    assert in_loop(main) == list(range(80))


def test_a_thread_step_submits_and_waits(in_loop: InLoop) -> None:
    async def main() -> Any:
        async with WorkflowScheduler(2) as scheduler:

            def outer() -> Any:
                return scheduler.submit(single("inner", lambda: "inner")).wait_sync(10).value

            return (await scheduler.submit(single("outer", outer)).wait()).value

    assert in_loop(main) == {"one": {"one": "inner"}}


def test_an_async_step_submits_and_waits(in_loop: InLoop) -> None:
    async def main() -> Any:
        async with WorkflowScheduler(2) as scheduler:

            async def outer() -> Any:
                return (await scheduler.submit(single("inner", lambda: "inner")).wait()).value

            return (await scheduler.submit(single("outer", outer)).wait()).value

    assert in_loop(main) == {"one": {"one": "inner"}}


def test_an_inline_step_submits(in_loop: InLoop) -> None:
    async def main() -> Any:
        async with WorkflowScheduler(2) as scheduler:
            inner: list[Handle[Any]] = []

            def outer() -> None:
                inner.append(scheduler.submit(single("inner", lambda: "inner")))

            await scheduler.submit(single("outer", outer, step={"executor": "inline"})).wait()
            return (await inner[0].wait()).value

    assert in_loop(main) == {"one": "inner"}


def test_wait_sync_is_refused_on_a_loop_which_it_would_block(in_loop: InLoop) -> None:
    async def main() -> None:
        async with WorkflowScheduler() as scheduler:
            handle = scheduler.submit(single("one", lambda: 1))
            with pytest.raises(InsideLoopError) as caught:
                handle.wait_sync()
            assert str(caught.value) == (
                "wait_sync() cannot be called while an event loop runs in this thread\n"
                "  hint: use: await handle.wait(...)"
            )

    in_loop(main)


def test_a_step_that_submits_while_its_scheduler_is_left_is_refused(in_loop: InLoop) -> None:
    gate, seen = Gate(), list[str]()

    async def main() -> None:
        async with anyio.create_task_group() as group, WorkflowScheduler() as scheduler:

            def late() -> None:
                gate.plain()
                with pytest.raises(SchedulerClosedError) as caught:
                    scheduler.submit(single("late", lambda: 1))
                seen.append(str(caught.value))

            scheduler.submit(single("outer", late))

            async def opens() -> None:
                await gate.came()
                await anyio.sleep(0.02)
                gate.open()

            group.start_soon(opens)

    in_loop(main)
    assert seen == ["this WorkflowScheduler is not entered, or has been left"]


def test_threads_that_submit_while_the_scheduler_is_left_get_a_handle_that_ends_or_an_error(in_loop: InLoop) -> None:
    handles: list[Handle[Any]] = []
    refused: list[int] = []

    def submits(scheduler: WorkflowScheduler) -> None:
        while True:
            try:
                handles.append(scheduler.submit(single("one", lambda: 1)))
            except SchedulerClosedError:
                refused.append(1)
                return

    async def main(scheduler: WorkflowScheduler) -> None:
        async with scheduler:
            for _ in range(4):
                pool.submit(submits, scheduler)
            await until(lambda: len(handles) > 8)

    with ThreadPoolExecutor(4) as pool:
        in_loop(lambda: main(WorkflowScheduler()))
    assert len(refused) == 4
    assert {one.wait_sync(1).status for one in handles} == {"success"}


# Without a loop.


def test_a_program_without_a_loop_uses_with(backend: Backend) -> None:
    with WorkflowScheduler(max_concurrency=2, backend=backend) as scheduler:
        handles = [scheduler.submit(single(f"run_{n}", lambda n=n: n)) for n in range(5)]
        assert [one.wait_sync().value["one"] for one in handles] == list(range(5))


def test_with_runs_async_steps_on_the_back_end_it_was_given(backend: Backend) -> None:
    async def library() -> str:
        import sniffio

        return sniffio.current_async_library()

    with WorkflowScheduler(backend=backend) as scheduler:
        assert scheduler.submit(single("one", library)).wait_sync().value == {"one": backend}


def test_leaving_with_waits_for_every_run(backend: Backend) -> None:
    gate = Gate()

    def opens() -> None:
        gate.came_sync()
        gate.open()

    with WorkflowScheduler(backend=backend) as scheduler:
        handle = scheduler.submit(single("slow", gate.looped))
        opener = threading.Thread(target=opens)
        opener.start()
    assert handle.status == "success"
    opener.join()


def test_wait_sync_gives_up_after_its_timeout_and_the_run_goes_on(backend: Backend) -> None:
    gate = Gate()
    with WorkflowScheduler(backend=backend) as scheduler:
        handle = scheduler.submit(single("slow", gate.looped))
        with pytest.raises(TimeoutError) as caught:
            handle.wait_sync(0.02)
        assert str(caught.value) == "slow has not ended after 0.02 s"
        gate.open()
        assert handle.wait_sync(10).value == {"one": "looped"}


def test_an_exception_inside_with_cancels_all_runs_and_comes_out_as_it_is(backend: Backend, recorder: Recorder) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    def program() -> None:
        with WorkflowScheduler(plugins=[recorder], backend=backend) as scheduler:
            scheduler.submit("whole", registry=flows)
            running.wait()
            raise ValueError("of the body")

    with pytest.raises(ValueError, match="of the body"):
        program()
    assert_all_ended(recorder, cleaned)
    assert recorder.runs[0].notes == ("cancelled: its scheduler was left by an error",)


@pytest.mark.parametrize("where", ["waiting", "leaving"])
def test_ctrl_c_inside_with_cancels_all_runs(backend: Backend, recorder: Recorder, where: str) -> None:
    running, cleaned = Running(2), list[str]()
    flows = mixed(running, cleaned)

    def interrupts() -> None:
        running.wait()
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    def program() -> None:
        with WorkflowScheduler(plugins=[recorder], backend=backend) as scheduler:
            handle = scheduler.submit("whole", registry=flows)
            if where == "waiting":
                handle.wait_sync()

    thread = threading.Thread(target=interrupts)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        program()
    thread.join()
    assert_all_ended(recorder, cleaned)


def test_with_is_refused_inside_a_loop(in_loop: InLoop) -> None:
    async def main() -> None:
        with pytest.raises(InsideLoopError) as caught, WorkflowScheduler():
            pass
        assert str(caught.value) == (
            "WorkflowScheduler.__enter__() cannot be called while an event loop runs in this thread\n"
            "  hint: use: async with WorkflowScheduler(...)"
        )

    in_loop(main)


def test_with_takes_a_scheduler_once(backend: Backend) -> None:
    scheduler = WorkflowScheduler(backend=backend)
    with scheduler, pytest.raises(SchedulerClosedError, match="used once"), scheduler:
        pass
    with pytest.raises(SchedulerClosedError, match="used once"), scheduler:
        pass


def test_an_internal_error_comes_out_of_with_and_nobody_waits_for_ever(backend: Backend) -> None:
    class Broken:
        def key(self, waiting: object) -> object:
            raise LookupError("no key")

        def started(self, key: object) -> None: ...

    def program() -> None:
        with WorkflowScheduler(policy=Broken(), backend=backend) as scheduler:
            handle = scheduler.submit(single("one", lambda: 1))
            with pytest.raises(RuntimeError, match="the run of one was lost: its engine broke"):
                handle.wait_sync(5)

    with pytest.raises(LookupError, match="no key"):
        program()


def test_after_with_the_numbers_can_still_be_looked_at(backend: Backend) -> None:
    with WorkflowScheduler(backend=backend) as scheduler:
        scheduler.submit(single("one", lambda: 1))
    assert (scheduler.stats().finished, scheduler.active()) == (1, [])
