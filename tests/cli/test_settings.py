"""``[tool.flowbuilder]``: what may be set, what goes over what, and how a wrong setting is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowbuilder.cli import main
from flowbuilder.testing import FlowTester, Recorder

from .conftest import error_of

SHOWN = """
    from flowbuilder import hookimpl

    @hookimpl
    def flowbuilder_configure(config):
        print(*(f"{name}={value}" for name, value in sorted(config.options.items()) if value not in (None, (), False)))
"""


def settings(tester: FlowTester, text: str) -> str:
    """Write a table, and return the place of its file."""
    return str(tester.write("pyproject.toml", f"[tool.flowbuilder]\n{text}\n"))


def test_every_option_may_be_set_by_its_long_name(tester: FlowTester) -> None:
    tester.write("flowconf.py", SHOWN)
    settings(
        tester,
        'max-concurrency = 2\nstep-timeout = 5\nfail-fast = true\nbackend = "trio"\nkeyword = "report"\nquiet = 1\n'
        'durations = 3\nall = true\nexecutor = "inline"\nschedule = "batches"\nbatch-size = 4\nmaxfail = 9\n'
        'policy = "fair"\n[tool.flowbuilder.resources]\ndb = 2\ngpu = 1\n',
    )
    outcome = tester.run("run", "--maxfail", "2", "--resource", "db=4")
    assert outcome.exit_code == 0, outcome
    assert outcome.stdout.splitlines()[0] == (
        "all=True backend=trio batch_size=4 durability=full durations=3 executor=inline fail_fast=True keyword=report"
        " max_concurrency=2 maxfail=2 policy=fair quiet=1 resources={'db': 4, 'gpu': 1} schedule=batches"
        " step_timeout=5.0"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max-concurrency = [3]", 'max-concurrency takes a whole number, or "auto" ({}:2)\n  got: [3]'),
        ("max-concurrency = true", 'max-concurrency takes a whole number, or "auto" ({}:2)\n  got: True'),
        (
            "max-concurrency = 0",
            "max-concurrency cannot be used ({}:2)\n  got: '0' is no whole number from 1 to 1024, nor 'auto'",
        ),
        ("fail-fast = 1", "fail-fast takes true or false ({}:2)\n  got: 1"),
        ("step-timeout = nan", "step-timeout cannot be used ({}:2)\n  got: nan is no number of seconds above 0"),
        ("step-timeout = '5'", "step-timeout takes a number ({}:2)\n  got: '5'"),
        ("keyword = ''", "keyword takes text ({}:2)\n  got: ''"),
        ("backend = 'curio'", "backend cannot be used ({}:2)\n  got: 'curio' is not one of 'asyncio', 'trio'."),
        ("paths = 'flows'", 'paths takes a list of words ({}:2)\n  got: \'flows\'\n  allowed: ["one", "two"]'),
        ("plugins = [3]", 'plugins takes a list of words ({}:2)\n  got: [3]\n  allowed: ["one", "two"]'),
        ("resources = 3", "resources takes a table ({}:2)\n  got: 3\n  allowed: [tool.flowbuilder.resources]"),
        ("resources = {db = '4'}", "resources.db takes a whole number ({}:2)\n  got: '4'\n  allowed: 1 to 1000000"),
        ("resources.db = true", "resources.db takes a whole number ({}:2)\n  got: True\n  allowed: 1 to 1000000"),
        (
            "[tool.flowbuilder.resources]\ngpu = 1\ndb = 0",
            "resources.db takes a whole number ({}:4)\n  got: 0\n  allowed: 1 to 1000000",
        ),
        (
            "resources = {'a b' = 1}",
            "resources.a b cannot be a name ({}:2)\n  allowed: letters, digits, _ . and -",
        ),
        ("policy = 3", "policy takes text ({}:2)\n  got: 3"),
        ("params = 3", "params takes a table ({}:2)\n  got: 3\n  allowed: [tool.flowbuilder.params]"),
        (
            "# a remark\npaths = ['flows']",
            "paths names what does not exist ({}:3)\n  got: there is no file or folder '{folder}/flows'",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_key_and_line(tester: FlowTester, text: str, message: str) -> None:
    file = settings(tester, text)
    expected = message.replace("{folder}", str(Path(file).parent)).format("pyproject.toml")
    assert error_of(tester.run("list")) == f"tool.flowbuilder.{expected}"


@pytest.mark.parametrize("key", ["max-concurency", "max_concurrency"])
def test_an_unknown_key_is_refused_with_the_nearest(tester: FlowTester, key: str) -> None:
    settings(tester, f"{key} = 3")
    message = error_of(tester.run("run"))
    assert message.startswith(
        f"tool.flowbuilder.{key} is no setting (pyproject.toml:2)\n  allowed: all, backend, batch-size,"
    )
    assert message.endswith("\n  hint: did you mean 'max-concurrency'?")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"[tool.flowbuilder\n",
            "broken TOML: Expected ']' at the end of a table declaration ({}:1:18)\n  got: [tool.flowbuilder",
        ),
        (b"a = 1\na = 2\n", "broken TOML: Cannot overwrite a value ({}:2:6)\n  got: a = 2"),
        (b"[tool.flowbuilder]\n# caf\xe9\n", "pyproject.toml is not valid UTF-8 ({}:2)\n  hint: save it as UTF-8"),
        (b"\xff\xfe[\x00", "pyproject.toml is not valid UTF-8 ({}:1)\n  hint: save it as UTF-8"),
        (b"[tool]\nflowbuilder = 3\n", "tool.flowbuilder is no table ({})\n  got: 3"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(tester: FlowTester, content: bytes, message: str) -> None:
    (tester.path / "pyproject.toml").write_bytes(content)
    assert error_of(tester.run("run")) == message.format("pyproject.toml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tester: FlowTester) -> None:
    (tester.path / "pyproject.toml").write_bytes(b"\xef\xbb\xbf[tool.flowbuilder]\r\nquiet = 2\r\n")
    outcome = tester.run("run")
    assert (outcome.exit_code, outcome.stdout) == (0, "")


def test_help_is_shown_whatever_is_wrong_with_the_settings(tester: FlowTester) -> None:
    settings(tester, "plugins = [")
    outcome = tester.run("--help")
    assert outcome.exit_code == 0
    assert "Collect and run workflows." in outcome.stdout
    assert "broken TOML" in outcome.stdout


def test_paths_are_where_a_bare_command_looks(tester: FlowTester) -> None:
    tester.write("flows/flow_other.py", "from flowbuilder import workflow\n@workflow\ndef other(): pass\n")
    settings(tester, 'paths = ["flows"]')
    assert [run.workflow for run in tester.run("run").recorder.runs] == ["other"]
    assert [run.workflow for run in tester.run("run", "flow_report.py").recorder.runs] == ["report"]


def test_the_root_is_the_folder_of_the_settings_nearest_to_what_is_named(tester: FlowTester) -> None:
    tester.write("inner/pyproject.toml", "[tool.flowbuilder]\nquiet = 2\n")
    tester.write("inner/flows/flow_other.py", "from flowbuilder import workflow\n@workflow\ndef other(): pass\n")
    assert tester.run("run", "inner/flows").stdout == ""
    assert f"root: {tester.path}\n" in tester.run("run", "inner/flows", "flow_report.py").stdout


def test_values_of_inputs_go_over_one_another(tester: FlowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    def value(*words: str) -> str:
        return str(tester.run("run", *words).recorder.runs[0].value)

    tester.write("more.toml", "count = 3")
    tester.write("params.json", '{"count": 4}')
    tester.write("pyproject.toml", '[tool.flowbuilder]\nparams-files = ["more.toml"]\n')
    assert value() == "total 6"
    tester.write("pyproject.toml", "[tool.flowbuilder.params]\ncount = 2\nof_another_workflow = 1\n")
    assert value() == "total 2"
    monkeypatch.setenv("FLOWBUILDER_PARAM_COUNT", "1")
    monkeypatch.setenv("FLOWBUILDER_PARAM_OF_ANOTHER_WORKFLOW", "1")
    assert value() == "total 0"
    assert value("--params", "more.toml", "--params", "params.json") == "total 12"
    assert value("--params", "params.json", "-P", "count=5") == "total 20"


def test_a_wrong_value_says_which_source_gave_it(tester: FlowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWBUILDER_PARAM_COUNT", "many")
    assert "got: 'many' (environment)" in error_of(tester.run("run"))
    tester.write("pyproject.toml", '[tool.flowbuilder.params]\ncount = "many"\n')
    monkeypatch.delenv("FLOWBUILDER_PARAM_COUNT")
    assert "got: 'many' (pyproject.toml)" in error_of(tester.run("run"))


def test_paths_in_the_settings_are_meant_from_their_folder(tester: FlowTester, monkeypatch: pytest.MonkeyPatch) -> None:
    tester.write("values/count.toml", "count = 4")
    tester.write("pyproject.toml", '[tool.flowbuilder]\npaths = ["."]\nparams-files = ["values/count.toml"]\n')
    below = tester.write("deep/below/readme", "").parent
    monkeypatch.chdir(below)
    recorder = Recorder()
    assert main(["run", "-q"], plugins=[recorder]) == 0
    assert recorder.runs[0].value == "total 12"
