"""What is wrong with a command line or a flow file is said in one message, without a traceback."""

from __future__ import annotations

import importlib.util
import sys
from queue import SimpleQueue

import pytest

from flowbuilder.cli import collecting
from flowbuilder.testing import FlowTester

from .conftest import error_of

HELP = "\n  hint: flowbuilder run --help"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["rnu"],
            (
                "there is no command named 'rnu'\n  allowed: run, list, plan, graph, resume, runs, show, purge, cache,"
                " doctor, plugins\n  hint: did you mean 'run'?"
            ),
        ),
        (["--fast"], "No such option '--fast'.\n  hint: flowbuilder --help"),
        (["run", "--maxfial", "1"], "No such option '--maxfial'. Did you mean '--maxfail'?" + HELP),
        (["run", "-k"], "Option '-k' requires an argument." + HELP),
        (["run", "--all=yes"], "Option '--all' does not take a value." + HELP),
        (["run", "-k", "a and ("], "the expression of -k ends too early (column 8)\n  got: a and (⟨here⟩"),
        (
            ["run", "-n", "0"],
            "Invalid value for '-n' / '--max-concurrency': '0' is no whole number from 1 to 1024, nor 'auto'" + HELP,
        ),
        (
            ["run", "-n", "1025"],
            "Invalid value for '-n' / '--max-concurrency': '1025' is no whole number from 1 to 1024, nor 'auto'" + HELP,
        ),
        (
            ["run", "-n", "-1"],
            "Invalid value for '-n' / '--max-concurrency': '-1' is no whole number from 1 to 1024, nor 'auto'" + HELP,
        ),
        (
            ["run", "-n", "all"],
            "Invalid value for '-n' / '--max-concurrency': 'all' is no whole number from 1 to 1024, nor 'auto'" + HELP,
        ),
        (["run", "--maxfail", "9" * 5000], None),
        (
            ["run", "--step-timeout", "soon"],
            "Invalid value for '--step-timeout': 'soon' is no number of seconds above 0" + HELP,
        ),
        (
            ["run", "--step-timeout", "inf"],
            "Invalid value for '--step-timeout': 'inf' is no number of seconds above 0" + HELP,
        ),
        (
            ["run", "--backend", "curio"],
            "Invalid value for '--backend': 'curio' is not one of 'asyncio', 'trio'." + HELP,
        ),
        (
            ["run", "--executor", "proces"],
            "there is no executor named 'proces'\n  allowed: inline, process, thread\n  hint: did you mean 'process'?",
        ),
        (["run", "--executor", "loop"], "there is no executor named 'loop'\n  allowed: inline, process, thread"),
        (["run", "-x", "--maxfail", "3"], "-x and --maxfail 3 contradict each other\n  hint: give one of them"),
        (
            ["run", "--schedule", "eager", "--batch-size", "3"],
            "--schedule eager and --batch-size 3 contradict each other\n  hint: give one of them",
        ),
        (["run", "-P", "count"], "-P takes NAME=VALUE\n  got: count\n  hint: -P count=…"),
        (["run", "-P", ""], "-P takes NAME=VALUE\n  got: nothing\n  hint: -P name=…"),
        (["run", "-P", "=3"], "-P takes NAME=VALUE\n  got: =3\n  hint: -P name=…"),
        (["run", "-P", "count=1", "-P", "count=2"], "-P gives 'count' twice\n  hint: keep one"),
        (
            ["run", "-P", "cuont=1"],
            "there is no input named 'cuont'\n  got: a value from -P\n  allowed: count\n  hint: did you mean 'count'?",
        ),
        (
            ["run", "-P", "api_token=hunter2"],
            "there is no input named 'api_token'\n  got: a value from -P\n  allowed: count",
        ),
        (
            ["run", "nowhere.py"],
            "there is no file or folder 'nowhere.py'\n  hint: paths are taken from the current folder",
        ),
        (
            ["run", "flow_reprot.py"],
            "there is no file or folder 'flow_reprot.py'\n  hint: did you mean 'flow_report.py'?",
        ),
        (
            ["run", "flow_report.py:report"],
            (
                "there is no file or folder 'flow_report.py:report'\n"
                "  hint: a workflow or step of a file is named PATH::NAME"
            ),
        ),
        (
            ["run", "count=3"],
            "there is no file or folder 'count=3'\n  hint: the value of an input is given with -P count=3",
        ),
        (
            ["run", "flow_report.py", "totals"],
            "there is no file or folder 'totals'\n  hint: did you mean 'flow_report.py::totals'?",
        ),
        (
            ["run", "flow_report.py::rows", "totals.py"],
            "there is no file or folder 'totals.py'\n  hint: paths are taken from the current folder",
        ),
        (["run", "::report"], "'::report' names nothing\n  hint: write PATH or PATH::NAME"),
        (["run", "flow_report.py::"], "'flow_report.py::' names nothing\n  hint: write PATH or PATH::NAME"),
        (["run", ""], "'' names nothing\n  hint: write PATH or PATH::NAME"),
        (["run", "x" * 5000], None),
        (["run", "a\0b"], "there is no file or folder 'a\\x00b'\n  hint: paths are taken from the current folder"),
        (
            ["run", "flow_report.py::repotr"],
            (
                "there is no workflow or step named 'repotr' (flow_report.py)\n  allowed: report, rows, double\n"
                "  hint: did you mean 'report'?"
            ),
        ),
        (
            ["run", "flow_report.py::REPORT"],
            (
                "there is no workflow or step named 'REPORT' (flow_report.py)\n  allowed: report, rows, double\n"
                "  hint: did you mean 'report'?"
            ),
        ),
        (["run", "\x1b[31mred\x1b[0m"], None),
        (
            ["run", "--params", "nowhere.json"],
            (
                "the params file cannot be read: No such file or directory (nowhere.json)\n"
                "  hint: a path is taken from the current folder, one of pyproject.toml from its folder"
            ),
        ),
        (
            ["run", "--durations", "x"],
            "Invalid value for '--durations': 'x' is no whole number from 0" + HELP,
        ),
        (
            ["run", "--durations", "-1"],
            "Invalid value for '--durations': '-1' is no whole number from 0" + HELP,
        ),
        (
            ["runs", "--since", "yesterday"],
            (
                "Invalid value for '--since': 'yesterday' is no time, such as 2026-11-25 or 2026-11-25T09:30"
                "\n  hint: flowbuilder runs --help"
            ),
        ),
        (["graph", "--format", "png"], None),
    ],
)
def test_a_mistake_on_the_command_line_is_told(tester: FlowTester, words: list[str], message: str | None) -> None:
    said = error_of(tester.run(*words))
    assert message is None or said == message
    assert len(said) <= 2000
    assert all(char.isprintable() or char == "\n" for char in said)


def test_no_words_at_all_show_the_help(tester: FlowTester) -> None:
    outcome = tester.run()
    assert (outcome.exit_code, outcome.stdout) == (4, "")
    assert outcome.stderr.startswith("Usage: flowbuilder [OPTIONS] COMMAND [ARGS]...\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run", "-k", "old"], "no workflow is chosen by -k 'old'\n  allowed: report"),
        (["run", "-m", "slow", "-k", "e"], "no workflow is chosen by -k 'e' -m 'slow'\n  allowed: report · no tags"),
        (["run", "tagged.py", "-m", "slow"], "no workflow is chosen by -m 'slow'\n  allowed: tagged · tags daily, io"),
        (
            ["list", "plain.py"],
            (
                "no workflow and no step is written in what was found\n  got: plain.py\n"
                "  hint: decorate a function with @step or @workflow"
            ),
        ),
        (
            ["plan", "empty"],
            "there is no flow file (empty)\n  allowed: flow_*.py and *_flow.py; any other file when it is named",
        ),
    ],
)
def test_nothing_to_do_is_exit_code_5(tester: FlowTester, words: list[str], message: str) -> None:
    tester.write("plain.py", "x = 1\n")
    tester.write("tagged.py", "from flowbuilder import step\n@step(tags=('io', 'daily'))\ndef load(): ...\n")
    (tester.path / "empty").mkdir()
    assert error_of(tester.run(*words), 5) == message


def test_a_name_that_several_files_have_asks_for_one(flowtester: FlowTester) -> None:
    text = "from flowbuilder import workflow\n@workflow\ndef nightly(): pass\n"
    first, second = flowtester.write("flow_a.py", text), flowtester.write("flow_b.py", text)
    assert error_of(flowtester.run("run", ".::nightly")) == (
        f"2 files have a 'nightly' (.)\n  hint: name one: {first}::nightly, {second}::nightly"
    )


def test_a_provider_cannot_be_run(flowtester: FlowTester) -> None:
    flowtester.write(
        "flow_a.py",
        """
        from flowbuilder import provider, step

        @provider
        def api(): return 1

        @step
        def load(api): pass
        """,
    )
    message = error_of(flowtester.run("run", "flow_a.py::api"))
    assert message == "'api' is a provider, which cannot be run (flow_a.py:4)\n  allowed: a, load"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def broken(:\n", "a flow file has a syntax error (flow_bad.py:1)\n"),
        ("import nowhere_at_all\n", "flow_bad.py cannot be imported (flow_bad.py:1)\n"),
        ("import sys\nsys.exit(3)\n", "flow_bad.py cannot be imported (flow_bad.py:2)\n"),
        ("raise SystemExit\n", "flow_bad.py cannot be imported (flow_bad.py:1)\n"),
        ("def f(): f()\nf()\n", "flow_bad.py cannot be imported (flow_bad.py:1)\n"),
        ("raise ValueError('\\x1b[2Jred')\n", "flow_bad.py cannot be imported (flow_bad.py:1)\n"),
    ],
)
def test_a_flow_file_that_cannot_be_imported_shows_the_user_s_own_frames(
    flowtester: FlowTester, text: str, message: str
) -> None:
    flowtester.write("flow_bad.py", text)
    outcome = flowtester.run("list")
    assert outcome.exit_code == 4
    assert outcome.stderr.startswith("error: " + message)
    assert outcome.stderr.count("\n") <= 62
    assert "importlib" not in outcome.stderr
    assert "\x1b" not in outcome.stderr


def test_what_a_flow_file_prints_while_it_is_imported_stays_out_of_the_json(tester: FlowTester) -> None:
    tester.write("flow_loud.py", "print('loud')\nfrom flowbuilder import workflow\n@workflow\ndef quiet(): pass\n")
    outcome = tester.run("run", "flow_loud.py", "--json", "-")
    assert outcome.exit_code == 0
    assert outcome.stdout.startswith("{\n")
    assert outcome.stdout.endswith("}\n")
    assert "loud" in outcome.stderr


def test_a_mistake_in_an_expression_is_told_before_anything_is_imported(flowtester: FlowTester) -> None:
    flowtester.write("flow_bad.py", "raise ValueError\n")
    assert "expression of -m" in error_of(flowtester.run("run", "-m", "("))


def test_a_long_import_is_told_while_it_lasts(flowtester: FlowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    told: SimpleQueue[str] = SimpleQueue()
    monkeypatch.setattr(collecting, "LONG_IMPORT", 0.01)
    monkeypatch.setattr(collecting, "say", told.put)
    monkeypatch.setattr(sys, "told", told, raising=False)
    flowtester.write("flow_long.py", "import sys\nassert sys.told.get(timeout=20).startswith('note')\nx = 1 / 0\n")
    assert "flow_long.py cannot be imported (flow_long.py:3)" in error_of(flowtester.run("list"))


def test_a_back_end_that_is_not_installed_says_how_to_get_it(
    tester: FlowTester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert error_of(tester.run("run", "--backend", "trio")) == (
        "--backend trio needs the package trio, which is not installed\n  hint: pip install trio"
    )


SAME_NAME = """
    from flowbuilder import step

    @step
    def calm() -> str: return "calm"

    @step
    def crash() -> str: return "crash"
"""


def test_a_step_named_like_its_file_is_run_alone_and_the_file_runs_all(flowtester: FlowTester) -> None:
    flowtester.write("flow_crash.py", SAME_NAME)
    alone, whole = flowtester.run("run", "flow_crash.py::crash"), flowtester.run("run", "flow_crash.py")
    assert (alone.exit_code, whole.exit_code) == (0, 0), (alone, whole)
    assert ("calm" in alone.stdout, "calm" in whole.stdout) == (False, True), (alone, whole)
