"""``--pdb`` opens the debugger where a step failed, for one failure after another, and has the terminal to itself."""

from __future__ import annotations

import io
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType

import pytest

from flowbuilder.testing import FlowTester, Outcome

PROMPT = "(Pdb) "
FLOW = """
    from flowbuilder import step

    @step
    def rows() -> list[int]:
        print("printed before")
        return [1, 2, 3]

    @step
    def broken(rows: list[int]) -> int:
        place = len(rows)
        return rows[place]

    @step
    async def waits(broken: int) -> int:
        return broken

    @step
    async def also_broken(rows: list[int]) -> int:
        total = sum(rows)
        raise ValueError(f"total {total}")
"""


class Prompt:
    """``flowbuilder run --pdb`` on a pseudo-terminal."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        ours, theirs = pty.openpty()
        environment = {**os.environ, "TERM": "dumb", "COLUMNS": "80", "LINES": "24"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flowbuilder", "run", "--pdb", *arguments],
            cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=environment,
        )  # fmt: skip
        os.close(theirs)
        self.terminal = ours

    def read(self, text: str = PROMPT) -> str:
        """Return what is printed up to the next prompt, or another text."""
        found = b""
        while text.encode() not in found:
            found += os.read(self.terminal, 65536)
        return found.decode().replace("\r\n", "\n")

    def type(self, line: str) -> str:
        """Type a line at the prompt and return the answer."""
        os.write(self.terminal, f"{line}\n".encode())
        return self.read().removeprefix(f"{line}\n").removesuffix(PROMPT)

    def end(self, line: str) -> str:
        """Type the last line and return what is printed until the command has ended."""
        os.write(self.terminal, f"{line}\n".encode())
        found = b""
        try:
            while data := os.read(self.terminal, 65536):
                found += data
        except OSError:  # the other side has closed it
            pass
        self.process.wait(20)
        return found.decode().replace("\r\n", "\n")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)


@pytest.fixture
def prompt(flowtester: FlowTester) -> Iterator[Callable[..., Prompt]]:
    opened: list[Prompt] = []

    def prompt_of(text: str, *arguments: str) -> Prompt:
        flowtester.write("flow_broken.py", text)
        opened.append(Prompt(flowtester.path, "flow_broken.py", "-n", "1", *arguments))
        return opened[-1]

    yield prompt_of
    for one in opened:
        one.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_opens_in_the_frame_that_failed_and_in_the_next_one(prompt: Callable[..., Prompt], backend: str) -> None:
    pdb = prompt(FLOW, "--backend", backend)
    before = pdb.read()

    assert "IndexError: list index out of range\n" in before
    assert re.search(r"> .*flow_broken\.py\(12\)broken\(\)\n-> return rows\[place\]\n", before)
    assert pdb.type("p place, rows") == "(3, [1, 2, 3])\n"
    assert pdb.type("print('printed at the prompt')") == "printed at the prompt\n"
    assert len(pdb.type("w").splitlines()) == 2
    following = pdb.type("c")
    assert "ValueError: total 6\n" in following
    assert pdb.type("p total") == "6\n"
    last = pdb.end("c")
    assert "1 succeeded, 2 failed, 1 skipped in" in last
    assert pdb.process.returncode == 1


def test_q_ends_the_run_and_opens_no_other_debugger(prompt: Callable[..., Prompt]) -> None:
    pdb = prompt(FLOW)
    pdb.read()
    last = pdb.end("q")

    assert PROMPT not in last
    assert "failed    broken " in last
    assert "note: cancelled: SIGINT\n" in last
    assert pdb.process.returncode == 2


def test_ctrl_c_at_the_prompt_leaves_the_run_alone(prompt: Callable[..., Prompt]) -> None:
    pdb = prompt(FLOW)
    pdb.read()
    pdb.process.send_signal(signal.SIGINT)
    assert pdb.type("p place") == "3\n"
    # On a busy machine the main thread hears of it late, and would take it for one that came after the prompt.
    pdb.type("import time; time.sleep(0.3)")
    assert "ValueError" in pdb.type("c")
    # Now in the main thread, which the loop runs in. What is typed helps a signal that came just before it was waited.
    pdb.process.send_signal(signal.SIGINT)
    os.write(pdb.terminal, b"p 1\n")
    pdb.read("--KeyboardInterrupt--")
    assert "1 succeeded, 2 failed, 1 skipped in" in pdb.end("c")


def test_the_end_of_what_is_typed_ends_the_run(prompt: Callable[..., Prompt]) -> None:
    pdb = prompt(FLOW)
    pdb.read()

    assert "interrupted: 1 succeeded, 1 failed" in pdb.end("\x04")


# In this process, where what is typed is known before.


@pytest.fixture
def typing(flowtester: FlowTester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    def run(flow: str, *lines: str, options: tuple[str, ...] = ()) -> Outcome:
        flowtester.write("flow_broken.py", flow)
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(f"{line}\n" for line in lines)))
        return flowtester.run("run", "flow_broken.py", "--pdb", *options)

    return run


def test_each_item_that_fails_has_its_turn(typing: Callable[..., Outcome]) -> None:
    flow = """
        from flowbuilder import step

        @step(each={"by": [1, 0, 2, 0]})
        def shared(by: int) -> float:
            return 1 / by
    """
    outcome = typing(flow, "c", "c")

    titles = [line.strip("- ") for line in outcome.stdout.split("failures =")[0].splitlines() if "› shared" in line]
    assert sorted(titles) == ["broken › shared[1]", "broken › shared[3]"]
    assert outcome.exit_code == 1


def test_what_is_tried_again_or_rescued_opens_none(typing: Callable[..., Outcome]) -> None:
    flow = """
        from flowbuilder import step

        @step(on_error="continue")
        def rescued(): raise ValueError("rescued")

        @step(retries=2)
        def tried(): raise ValueError("tried")
    """
    outcome = typing(flow, "c")

    assert outcome.stdout.count(PROMPT) == 1
    assert "- broken › tried, attempt 3 -" in outcome.stdout
    outcome.assert_counts(succeeded=1, failed=1)


def test_retries_count_anew_in_each_round(typing: Callable[..., Outcome]) -> None:
    flow = """
        from flowbuilder import Until, step

        calls = []

        @step(retries=1, until=Until(lambda result: result == 3, every=0.0))
        def polled() -> int:
            calls.append(1)
            if len(calls) == 2:
                raise ValueError("the first attempt of the second round")
            return len(calls)
    """
    outcome = typing(flow)

    assert PROMPT not in outcome.stdout
    outcome.assert_counts(succeeded=1)


@pytest.mark.parametrize("keyword", ["def", "async def"])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_no_time_out_strikes_while_it_is_open(typing: Callable[..., Outcome], keyword: str, backend: str) -> None:
    flow = f"""
        import time
        from flowbuilder import step, workflow

        @step(timeout=0.2)
        {keyword} broken(): raise ValueError("broken")

        @workflow(timeout=0.2)
        def all(broken): ...
    """
    outcome = typing(flow, "time.sleep(0.3)", "c", options=("--backend", backend))

    assert [type(error) for error in outcome.result.errors] == [ValueError]
    assert "blocks the event loop" not in outcome.stdout + outcome.stderr


def test_what_traces_the_thread_goes_on(typing: Callable[..., Outcome]) -> None:
    def tracer(frame: FrameType, event: str, argument: object) -> None: ...

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        typing("""
            from flowbuilder import step

            @step
            async def broken(): raise ValueError("on the loop, in this thread")
        """, "c")  # fmt: skip
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)


def test_a_step_of_another_process_says_that_its_frame_is_gone(typing: Callable[..., Outcome]) -> None:
    flow = """
        from flowbuilder import step

        @step(executor="process")
        def broken(): raise ValueError("far away")
    """
    outcome = typing(flow)

    assert PROMPT not in outcome.stdout
    assert "ValueError: far away\n" in outcome.stdout
    assert (
        '\n(its frames ended with its worker process; in a thread, without executor="process", they would stay)\n'
        in outcome.stdout
    )


def test_a_step_without_a_frame_of_its_own_says_so(typing: Callable[..., Outcome]) -> None:
    flow = """
        import os
        from flowbuilder import step

        @step(executor="process")
        def broken(): os._exit(3)
    """
    outcome = typing(flow)

    assert "\n(it has no frame to open the debugger in)\n" in outcome.stdout
    assert outcome.exit_code == 1


def test_a_step_that_exits_opens_it(typing: Callable[..., Outcome]) -> None:
    outcome = typing('from flowbuilder import step\n@step\ndef broken(): raise SystemExit("out")\n', "c")

    assert outcome.stdout.count(PROMPT) == 1
    assert outcome.exit_code == 1


def test_a_failure_that_waits_for_its_turn_opens_none_after_q(typing: Callable[..., Outcome]) -> None:
    flow = """
        import threading
        from flowbuilder import step

        together = threading.Barrier(3)

        @step
        def first(): together.wait(10); raise ValueError

        @step
        def second(): together.wait(10); raise ValueError

        @step
        def third(): together.wait(10); raise ValueError
    """
    outcome = typing(flow, "q")

    assert outcome.stdout.count(PROMPT) == 1
    assert outcome.exit_code == 2
    assert outcome.result.failed_count == 3
