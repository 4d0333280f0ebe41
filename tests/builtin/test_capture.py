"""What steps print and log is kept with their results, and nothing else is touched."""

from __future__ import annotations

import io
import logging
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any, TextIO

import anyio
import pytest

from flowbuilder import FlowBuilder, Registry, RunResult, Terminal, run
from flowbuilder.builtin.capture import Capture
from flowbuilder.runner import Backend
from flowbuilder.testing import FlowTester


@contextmanager
def capturing() -> Iterator[tuple[Capture, io.StringIO]]:
    """Capture with a stdout of the test's own."""
    before, passed_on = sys.stdout, io.StringIO()
    sys.stdout = passed_on
    capture = Capture(Terminal(passed_on).pass_on)
    capture.start()
    capture.flowbuilder_collection_finish()
    try:
        yield capture, passed_on
    finally:
        capture.stop()
        sys.stdout = before


def sections(result: RunResult[Any], step: str) -> dict[str, str]:
    return {part.title: part.text for part in result.steps[step].sections}


def test_threads_and_async_steps_are_told_apart(backend: Backend) -> None:
    both = threading.Barrier(2, timeout=10)
    turn = anyio.Event()

    def first() -> None:
        print("first begins")
        both.wait()
        print("first ends")

    def second() -> None:
        print("second begins")
        both.wait()
        print("second ends", file=sys.stderr)

    async def third() -> None:
        print("third begins")
        await turn.wait()
        print("third ends")

    async def fourth() -> None:
        turn.set()
        print("fourth")

    flow = FlowBuilder("four").step(first).step(second).step(third).step(fourth).build()
    with capturing() as (capture, passed_on):
        result = run(flow, plugins=[capture], backend=backend)

    assert sections(result, "first") == {"stdout": "first begins\nfirst ends\n"}
    assert sections(result, "second") == {"stdout": "second begins\n", "stderr": "second ends\n"}
    assert sections(result, "third") == {"stdout": "third begins\nthird ends\n"}
    assert sections(result, "fourth") == {"stdout": "fourth\n"}
    assert passed_on.getvalue() == ""


def test_what_is_logged_is_a_section_of_its_own() -> None:
    def talks(ctx: Any) -> None:
        ctx.log.warning("careful with %s", "this")
        logging.getLogger("other").debug("too quiet")

    with capturing() as (capture, _):
        result = run(FlowBuilder("logs").step(talks).build(), plugins=[capture])

    text = sections(result, "talks")["log"]
    assert text.startswith("WARNING  flowbuilder.step.logs:test_capture.py:")
    assert text.endswith(" careful with this\n")
    assert "too quiet" not in text


def test_a_record_whose_arguments_do_not_fit_breaks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # Those of pytest raise.
    monkeypatch.setattr(logging.root, "handlers", [])

    def wrong(ctx: Any) -> str:
        ctx.log.warning("%d apples", "many")
        return "done"

    with capturing() as (capture, _):
        result = run(FlowBuilder("logs").step(wrong).build(), plugins=[capture])

    assert result.steps["wrong"].value == "done"
    assert "--- Logging error ---" in sections(result, "wrong")["stderr"]


def test_each_attempt_adds_its_sections() -> None:
    tries: list[int] = []

    def flaky() -> None:
        tries.append(1)
        print("try", len(tries))
        if len(tries) < 2:
            raise OSError

    with capturing() as (capture, _):
        result = run(FlowBuilder("again").step(flaky, retries=1).build(), plugins=[capture])

    assert [part.text for part in result.steps["flaky"].sections] == ["try 1\n", "try 2\n"]


@pytest.mark.parametrize("rescue", ["continue", lambda error: None])
def test_what_a_rescued_body_printed_is_there_once(rescue: Any) -> None:
    def sad() -> None:
        print("oh")
        raise OSError

    with capturing() as (capture, _):
        result = run(FlowBuilder("rescued").step(sad, on_error=rescue).build(), plugins=[capture])

    assert [part.text for part in result.steps["sad"].sections] == ["oh\n"]


def test_providers_and_own_threads_print_past_it() -> None:
    flows = Registry()

    @flows.provider
    def client() -> Iterator[int]:
        print("set up")
        yield 1
        print("torn down")

    @flows.step
    def uses(client: int) -> None:
        thread = threading.Thread(target=print, args=["from a thread"])
        thread.start()
        thread.join()

    with capturing() as (capture, passed_on):
        result = run("uses", registry=flows, plugins=[capture])

    assert passed_on.getvalue() == "set up\nfrom a thread\ntorn down\n"
    assert sections(result, "uses") == {}


def test_what_is_printed_outside_of_steps_is_passed_on_in_whole_lines() -> None:
    pieces: list[str] = []

    def other() -> None:
        sys.stdout.write("other ")
        sys.stdout.flush()
        sys.stdout.write("left")

    capture = Capture(lambda _, text: pieces.append(text))
    capture.start()
    try:
        print("two", "words")
        sys.stdout.write("half\nof ")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        sys.stdout.write("it\r")
    finally:
        capture.stop()

    assert pieces == ["two words\n", "half\n", "other ", "of it\r", "left"]


def test_a_step_may_replace_or_close_stdout_or_write_bytes_to_it() -> None:
    def replaces() -> str:
        with redirect_stdout(io.StringIO()) as mine:
            print("mine")
        return mine.getvalue()

    def closes() -> None:
        sys.stdout.buffer.write("bytés\n".encode())
        sys.stdout.buffer.flush()
        sys.stdout.close()
        print("still open", flush=True)
        sys.stdout.writelines(["a\n", "b\n"])
        assert not sys.stdout.isatty()

    flow = FlowBuilder("odd").step(replaces).step(closes).then(replaces, name="again").build()
    with capturing() as (capture, _):
        result = run(flow, plugins=[capture]).raise_for_errors()

    assert result.steps["replaces"].value == "mine\n"
    assert sections(result, "closes") == {"stdout": "bytés\nstill open\na\nb\n"}


def test_the_streams_are_given_back_whatever_stands_in_their_place() -> None:
    before: tuple[TextIO, TextIO] = sys.stdout, sys.stderr
    handlers = list(logging.root.handlers)
    with capturing() as (_, passed_on):
        sys.stdout = io.StringIO()
        assert sys.stdout is not passed_on

    assert (sys.stdout, sys.stderr) == before
    assert logging.root.handlers == handlers


def test_text_only_goes_into_a_text_stream() -> None:
    with capturing(), pytest.raises(TypeError, match="write\\(\\) argument must be str, not bytes"):
        sys.stdout.write(b"bytes")  # type: ignore[arg-type]  # what is tested


# Through the command line.

TALKS = """
import logging
from flowbuilder import step

logging.basicConfig(format="mine %(message)s")

@step
def talks():
    print("heard")
    logging.warning("logged")

@step(executor="process")
def works(talks):
    print("from a worker")
    raise ValueError("broken")
"""


def test_output_is_shown_where_a_step_fails_and_not_where_it_succeeds(flowtester: FlowTester) -> None:
    flowtester.write("flow_talks.py", TALKS)
    outcome = flowtester.run_process("run", "flow_talks.py")

    assert "captured stdout:\n  from a worker\n" in outcome.stdout
    assert "heard" not in outcome.stdout + outcome.stderr


def test_s_lets_steps_print_at_once(flowtester: FlowTester) -> None:
    flowtester.write("flow_talks.py", TALKS)
    outcome = flowtester.run_process("run", "-s", "flow_talks.py")

    assert "\nheard\n" in outcome.stdout
    assert "\nfrom a worker\n" in outcome.stdout
    assert "captured" not in outcome.stdout
    assert "mine logged\n" in outcome.stderr


def test_warnings_logged_outside_of_steps_still_reach_stderr(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_quiet.py",
        """
        import logging, sys
        from flowbuilder import provider, step

        own = logging.getLogger("own")
        own.addHandler(logging.StreamHandler(sys.stderr))

        @provider
        def client():
            logging.info("too quiet")
            logging.warning("from a provider")
            own.warning("by its own handler, once")
            return 1

        @step
        def uses(client): ...
        """,
    )
    outcome = flowtester.run_process("run", "flow_quiet.py")
    assert outcome.exit_code == 0
    assert outcome.stderr == "from a provider\nby its own handler, once\n"


def test_a_thread_that_overran_has_what_it_printed_until_then(backend: Backend) -> None:
    release, printed = threading.Event(), threading.Event()

    def stuck() -> None:
        print("before")
        printed.set()
        release.wait(10)
        print("after")

    with capturing() as (capture, passed_on):
        result = run(FlowBuilder("late").step(stuck, timeout=0.1).build(), plugins=[capture], backend=backend)
        release.set()

    assert printed.is_set()
    assert sections(result, "stuck") == {"stdout": "before\n"}
    assert passed_on.getvalue() == ""
