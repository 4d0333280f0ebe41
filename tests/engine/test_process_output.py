"""What process steps print and log is printed and logged here, whole and in order."""

from __future__ import annotations

import logging

import pytest

from flowbuilder import ParallelConfig, run
from tests.conftest import Collect


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


def test_what_a_worker_printed_just_before_a_crash_is_printed(
    collect: Collect, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    flows = collect("""
        import os, sys
        from flowbuilder import step

        @step(executor="process")
        def dies() -> None:
            print("last words")
            print("and others", file=sys.stderr)
            os._exit(3)
    """)
    run("dies", registry=flows)
    assert capfd.readouterr() == ("last words\n", "and others\n")


@pytest.mark.parametrize("harm", ["sys.stdout.close()", "sys.stdout = None"])
def test_a_body_that_takes_its_stdout_away_leaves_one_to_the_next(
    collect: Collect, capfd: pytest.CaptureFixture[str], harm: str
) -> None:
    flows = collect(f"""
        import os, sys
        from flowbuilder import step

        @step(executor="process")
        def harms() -> int:
            print("before")
            {harm}
            return os.getpid()

        @step(executor="process")
        def follows(harms: int) -> bool:
            print("after")
            return os.getpid() == harms
    """)
    assert run("follows", registry=flows, config=ParallelConfig(max_concurrency=1)).value is True
    assert capfd.readouterr().out == "before\nafter\n"


@pytest.mark.parametrize("harm", ["sys.stdout = object()", "os.close(1)"])
def test_a_body_that_breaks_its_stdout_still_returns(collect: Collect, harm: str) -> None:
    flows = collect(f"""
        import os, sys
        from flowbuilder import step

        @step(executor="process")
        def harms() -> int:
            {harm}
            return 1
    """)
    assert run("harms", registry=flows).value == 1


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
