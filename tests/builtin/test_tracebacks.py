"""An error as lines for a reader."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from flowbuilder import run
from flowbuilder.builtin.tracebacks import error_lines
from flowbuilder.runner import Backend
from tests.conftest import Collect


class Shown:
    """Runs a piece of source and returns how what it raises is shown."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "source.py"

    def __call__(self, source: str) -> list[str]:
        return [text for text, _ in error_lines(self.error(source))]

    def error(self, source: str) -> BaseException:
        self.file.write_text(textwrap.dedent(source).strip() + "\n")
        try:
            exec(compile(self.file.read_text(), str(self.file), "exec"), {"__name__": "source"})
        except BaseException as error:
            assert error.__traceback__ is not None
            return error.with_traceback(error.__traceback__.tb_next)
        raise AssertionError("nothing was raised")


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shown:
    monkeypatch.chdir(tmp_path)
    return Shown(tmp_path)


def test_the_last_frame_has_source_around_it_and_others_their_line(shown: Shown) -> None:
    assert shown("""
        def divide(n):
            \"\"\"Divide.\"\"\"
            zero = 0

            return n / zero
            # never here


        divide(1)
    """) == [
        "source.py:9 in <module>",
        ">    9 | divide(1)",
        "source.py:5 in divide",
        '     2 |     """Divide."""',
        "     3 |     zero = 0",
        "     4 |",
        ">    5 |     return n / zero",
        "     6 |     # never here",
        "ZeroDivisionError: division by zero",
    ]


def test_causes_come_first_with_what_they_led_to(shown: Shown) -> None:
    lines = shown("""
        try:
            try:
                1 / 0
            except ZeroDivisionError:
                raise KeyError("a")
        except KeyError as error:
            raise ValueError("b") from error
    """)
    assert [line for line in lines if ("Error" in line and "|" not in line) or line.startswith(("That", "While"))] == [
        "ZeroDivisionError: division by zero",
        "While that was handled, this was raised:",
        "KeyError: 'a'",
        "That was the direct cause of:",
        "ValueError: b",
    ]


def test_what_was_raised_from_none_has_no_causes(shown: Shown) -> None:
    lines = shown("""
        try:
            1 / 0
        except ZeroDivisionError:
            raise ValueError("alone") from None
    """)
    assert lines[-1] == "ValueError: alone"
    assert not [line for line in lines if line.startswith(("ZeroDivisionError", "While"))]


def test_a_circle_of_causes_ends(shown: Shown) -> None:
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first

    assert [text for text, _ in error_lines(first)][-1] == "ValueError: first"


def test_a_group_is_a_tree_of_the_first_fifteen(shown: Shown) -> None:
    inner = ExceptionGroup("inner", [TypeError("t"), OSError(2, "gone")])
    inner.add_note("about inner")
    group = ExceptionGroup("many", [inner, *(ValueError(f"v{n}\nmore") for n in range(20))])
    lines = [text for text, _ in error_lines(group)]

    assert lines[:8] == [
        "ExceptionGroup: many (21 sub-exceptions)",
        "  ├─ ExceptionGroup: inner (2 sub-exceptions)",
        "  │  note: about inner",
        "  │    ├─ TypeError: t",
        "  │    └─ FileNotFoundError: [Errno 2] gone",
        "  ├─ ValueError: v0",
        "  │  more",
        "  ├─ ValueError: v1",
    ]
    assert lines[-1] == "  └─ … and 6 more"


def test_a_very_deep_group_ends() -> None:
    error: Exception = ValueError("deep")
    for _ in range(300):
        error = ExceptionGroup("level", [error])

    assert 5 < len(list(error_lines(error))) < 20


def test_endless_recursion_shows_its_beginning_and_its_end(shown: Shown) -> None:
    lines = shown("""
        def again(n):
            return again(n + 1)

        again(0)
    """)
    assert len(lines) < 30
    assert lines[0] == "source.py:4 in <module>"
    assert [line for line in lines if line.endswith(" more frames …")]
    assert lines[-1].startswith("RecursionError: maximum recursion depth exceeded")


@pytest.mark.parametrize(
    ("source", "last"),
    [
        ("raise ValueError('\\x1b[31mred')", "ValueError: \\x1b[31mred"),
        ("raise ValueError('x' * 100_000)", "ValueError: " + "x" * 487 + "…"),
        ("raise ValueError('\\n'.join(map(str, range(1000))))", "… 980 more lines"),
        (
            "class Odd(Exception):\n    def __str__(self): raise KeyError\nraise Odd",
            "source.Odd: <exception str() failed>",
        ),
        ("error = ValueError('noted')\nerror.add_note('one\\ntwo')\nraise error", "note: two"),
        ("error = ValueError('noted')\nerror.__notes__ = 3\nraise error", "note: 3"),
    ],
)
def test_messages_are_bounded_and_fit_for_a_terminal(shown: Shown, source: str, last: str) -> None:
    assert shown(source)[-1] == last


def test_source_that_is_gone_leaves_the_place(shown: Shown) -> None:
    error = shown.error("1 / 0")
    shown.file.unlink()
    assert [text for text, _ in error_lines(error)] == [
        "source.py:1 in <module>",
        "ZeroDivisionError: division by zero",
    ]


def test_a_working_directory_that_is_gone_does_no_harm(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, gone = shown.error("1 / 0"), tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert next(text for text, _ in error_lines(error)) == f"{shown.file}:1 in <module>"


STEPS = """
from flowbuilder import step

def inner(n):
    return 1 / n

@step{words}
def outer():
    return inner(0)

@step{words}
def chained():
    try:
        inner(0)
    except ZeroDivisionError as error:
        raise ValueError("chained") from error
"""


@pytest.mark.parametrize("words", ["", "(executor='process')"], ids=["thread", "process"])
def test_of_a_step_only_the_users_own_frames_are_shown(collect: Collect, words: str) -> None:
    error = run("outer", registry=collect(STEPS.format(words=words))).steps["outer"].error
    assert error is not None
    lines = [text for text, _ in error_lines(error)]

    places = [line.rpartition("/")[2] for line in lines if " in " in line and "|" not in line]
    assert places == ["flow_test.py:9 in outer", "flow_test.py:5 in inner"]
    assert ">    5 |     return 1 / n" in lines
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_causes_in_a_worker_are_shown_as_it_told_them(collect: Collect) -> None:
    error = run("chained", registry=collect(STEPS.format(words="(executor='process')"))).steps["chained"].error
    assert error is not None
    lines = [text for text, _ in error_lines(error)]

    assert "The above exception was the direct cause of the following exception:" in lines
    assert lines[-1] == "ValueError: chained"


def test_an_error_without_a_traceback_is_its_message() -> None:
    assert list(error_lines(KeyError("a"))) == [("KeyError: 'a'", "bold red")]


def test_of_an_async_step_that_overran_its_place_is_shown_and_not_how_it_was_cancelled(
    collect: Collect, backend: Backend
) -> None:
    flows = collect("""
        import anyio
        from flowbuilder import step

        @step(timeout=0.01)
        async def slow():
            await anyio.sleep(60)
    """)
    error = run("slow", registry=flows, backend=backend).steps["slow"].error
    assert error is not None
    lines = [text for text, _ in error_lines(error)]

    assert lines[0].endswith("flow_test.py:7 in slow")
    assert lines[-2:] == [">    7 |     await anyio.sleep(60)", "slow timed out after 0.01 s"]
