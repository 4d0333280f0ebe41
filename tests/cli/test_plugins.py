"""Plugins on the command line: how they are named, what they may add, and when they are called."""

from __future__ import annotations

from typing import Any

import click
import pytest

from flowbuilder import Settings, hookimpl
from flowbuilder.cli import main
from flowbuilder.testing import FlowTester

from .conftest import error_of

LOUD = """
    import click
    from flowbuilder import hookimpl

    @hookimpl
    def flowbuilder_add_options(command):
        command.params.append(click.Option(["--volume"], type=int, default=1, help="How loud."))

    @hookimpl
    def flowbuilder_add_commands(cli):
        @cli.command("shout", help="Shout a word.")
        @click.argument("word")
        def shout(word):
            click.echo(word.upper())

    @hookimpl
    def flowbuilder_configure(config):
        print(f"{config.command} at volume {config.options['volume']}")

    @hookimpl
    def flowbuilder_unconfigure(config):
        print("silence")
"""


class Adding:
    """A plugin that adds what it is given."""

    def __init__(self, *, option: str = "", command: str = "") -> None:
        self._option = option
        self._command = command

    @hookimpl
    def flowbuilder_add_options(self, command: click.Command) -> None:
        if self._option:
            command.params.append(click.Option([self._option]))

    @hookimpl
    def flowbuilder_add_commands(self, cli: click.Group) -> None:
        if self._command:
            cli.add_command(click.Command(self._command))


@pytest.fixture
def loud(tester: FlowTester) -> FlowTester:
    tester.write("loud.py", LOUD)
    return tester


def test_an_option_of_a_plugin_is_read_and_helped_with(loud: FlowTester) -> None:
    assert "run at volume 3\n" in loud.run("run", "-p", "loud", "--volume", "3").stdout
    assert "How loud." in loud.run("run", "-p", "loud", "--help").stdout
    assert "such option '--volume'" in error_of(loud.run("run", "--volume", "3"))


@pytest.mark.parametrize(
    "words", [["-p", "loud", "run"], ["run", "-ploud"], ["run", "--plugin=loud"], ["run", "-xploud"]]
)
def test_a_plugin_may_be_named_in_every_way_an_option_may(loud: FlowTester, words: list[str]) -> None:
    assert "run at volume 1\n" in loud.run(*words).stdout


def test_plugins_are_configured_for_every_command_that_collects(loud: FlowTester) -> None:
    loud.write("pyproject.toml", '[tool.flowbuilder]\nplugins = ["loud"]\nvolume = 7\n')
    for command in ("run", "list", "plan", "graph"):
        out = loud.run(command).stdout
        assert out.startswith(f"{command} at volume 7\n")
        assert "silence\n" in out


def test_a_command_of_a_plugin_is_listed_and_runs(loud: FlowTester) -> None:
    assert "shout    Shout a word." in loud.run("-p", "loud", "--help").stdout
    assert loud.run("-p", "loud", "shout", "hello").stdout == "HELLO\n"
    assert "there is no command named 'shout'" in error_of(loud.run("shout", "hello"))


def test_an_installed_plugin_is_found_by_its_entry_point(
    loud: FlowTester, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path_factory.mktemp("site")
    info = installed / "loud-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[flowbuilder]\nnoise = loud\n")
    monkeypatch.syspath_prepend(installed)
    assert "shout    Shout a word." in loud.run("--help").stdout
    assert "run at volume 1\n" in loud.run("run").stdout
    assert "volume" not in loud.run("run", "-p", "no:noise").stdout


def test_the_options_of_a_plugin_s_command_are_its_own(flowtester: FlowTester) -> None:
    class Serving:
        @hookimpl
        def flowbuilder_add_commands(self, cli: click.Group) -> None:
            @cli.command("serve")
            @click.option("-p", "--port", type=int)
            def serve(port: int) -> int:
                return port

    assert main(["serve", "-p", "42"], plugins=[Serving()]) == 42


def test_a_plugin_is_left_out_by_name(loud: FlowTester) -> None:
    loud.write("pyproject.toml", '[tool.flowbuilder]\nplugins = ["loud"]\n')
    assert "volume" not in loud.run("run", "-p", "no:loud").stdout
    assert loud.run("run", "-p", "no:loud", "-p", "no:terminal").stdout == ""
    assert error_of(loud.run("run", "-p", "no:laud")).startswith("-p no:laud: there is no such plugin\n  allowed: ")


def test_help_is_shown_where_a_plugin_cannot_be_loaded(tester: FlowTester) -> None:
    outcome = tester.run("-p", "nowhere", "--help")
    assert outcome.exit_code == 0
    assert "No module named 'nowhere'" in " ".join(outcome.stdout.split())


def test_a_value_given_with_the_wrong_letter_is_hinted_at(tester: FlowTester) -> None:
    assert error_of(tester.run("run", "-p", "count=5")).endswith("hint: inputs are given with -P count=5")


@pytest.mark.parametrize(
    ("ours", "theirs", "message"),
    [
        (None, {"option": "--durations"}, "adds the option '--durations', which the plugin 'durations' has already"),
        (None, {"option": "--maxfail"}, "adds the option '--maxfail', which FlowBuilder itself has already"),
        (None, {"option": "--help"}, "adds the option '--help', which FlowBuilder itself has already"),
        (None, {"command": "run"}, "adds the command 'run', which FlowBuilder itself has already"),
        ({"option": "--wet"}, {"option": "--wet"}, "adds the option '--wet', which the plugin 'first' has already"),
        ({"command": "go"}, {"command": "go"}, "adds the command 'go', which the plugin 'first' has already"),
    ],
)
def test_what_exists_already_is_refused_with_both_owners(
    tester: FlowTester,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    ours: dict[str, Any] | None,
    theirs: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tester.path)
    plugins = []
    for name, words in (("first", ours), ("second", theirs)):
        if words is not None:
            plugin = Adding(**words)
            plugin.__name__ = name  # type: ignore[attr-defined]  # what the host calls a plugin by
            plugins.append(plugin)
    assert main(["run"], plugins=plugins) == 4
    assert capsys.readouterr().err == (
        f"error: the plugin 'second' {message}\n  hint: leave it out with -p no:second\n"
    )


def test_a_plugin_that_adds_no_option_is_refused(tester: FlowTester) -> None:
    tester.write(
        "odd.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_add_options(command): command.params.append("--odd")
        """,
    )
    assert error_of(tester.run("run", "-p", "odd")) == "the plugin 'odd' adds no option\n  got: '--odd'"


@pytest.mark.parametrize("hook", ["add_options(command)", "add_commands(cli)", "unconfigure(config)"])
@pytest.mark.parametrize("error", ["ZeroDivisionError", "SystemExit"])
def test_a_plugin_that_fails_to_set_up_is_an_internal_error_that_names_it(
    tester: FlowTester, hook: str, error: str
) -> None:
    tester.write("bad.py", f"from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_{hook}: raise {error}\n")
    outcome = tester.run("run", "-p", "bad")
    assert outcome.exit_code == 3
    assert f"raised by the plugin bad in flowbuilder_{hook.partition('(')[0]}" in outcome.stderr
    assert outcome.stderr.startswith(f'Traceback (most recent call last):\n  File "{tester.path / "bad.py"}", line 3')
    assert outcome.stderr.endswith("internal error: a bug of a plugin, in the lines above\n")


def test_every_plugin_cleans_up_also_where_one_fails(flowtester: FlowTester) -> None:
    class Told:
        def __init__(self, *, fails: bool = False) -> None:
            self.fails = fails
            self.told: list[str] = []

        @hookimpl
        def flowbuilder_configure(self, config: Settings) -> None:
            self.told.append("configure")
            if self.fails:
                raise OSError("unlucky")

        @hookimpl
        def flowbuilder_unconfigure(self, config: Settings) -> None:
            self.told.append("unconfigure")
            if self.fails:
                raise OSError("unlucky again")

    plugins = [Told(), Told(fails=True), Told()]
    assert main(["run"], plugins=plugins) == 3
    assert [plugin.told[-1] for plugin in plugins] == ["unconfigure"] * 3


def test_a_flowconf_with_hooks_is_a_plugin_from_its_collection_on(tester: FlowTester) -> None:
    tester.write(
        "sub/flowconf.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_configure(config): print("configured", config.root.name)

        @hookimpl
        def flowbuilder_collection_finish(registry): print("collected")

        @hookimpl
        def flowbuilder_run_start(run): print("runs", run.workflow)

        @hookimpl
        def flowbuilder_unconfigure(config): print("unconfigured")
        """,
    )
    tester.write("sub/flow_in_sub.py", "from flowbuilder import workflow\n@workflow\ndef inner(): pass\n")
    out = tester.run("run", "sub", "-p", "no:terminal").stdout
    assert out == f"configured {tester.path.name}\ncollected\nruns inner\nunconfigured\n"
    assert "configured" not in tester.run("run", "flow_report.py").stdout


def test_a_flowconf_cannot_add_options(tester: FlowTester) -> None:
    tester.write("flowconf.py", LOUD)
    assert error_of(tester.run("run")) == (
        "flowbuilder_add_options would never be called in flowconf.py: options are read before files are collected\n"
        "  hint: write it in a module of its own, named by -p or by plugins = [...] in pyproject.toml"
    )


def test_a_wrong_hook_in_a_flowconf_is_refused(tester: FlowTester) -> None:
    tester.write("flowconf.py", "from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_run_begin(run): pass\n")
    assert error_of(tester.run("run")).startswith(
        "there is no hook 'flowbuilder_run_begin' (plugin flowconf.py, flowbuilder_run_begin)\n  hint: did you mean"
    )


def test_a_plugin_may_collect_files_of_other_kinds(flowtester: FlowTester) -> None:
    class Lines:
        @hookimpl
        def flowbuilder_collect_file(self, path: Any, registry: Any) -> bool:
            if path.suffix != ".lines":
                return False
            from flowbuilder import FlowBuilder

            registry.add(FlowBuilder(path.stem).step(path.read_text, name="text").build())
            return True

    flowtester.write("poem.lines", "roses")
    flowtester.write("poem.txt", "violets")
    lines = Lines()
    assert main(["run", str(flowtester.path / "poem.lines"), "-p", "no:terminal"], plugins=[lines]) == 0
    assert error_of(flowtester.run("run", "poem.txt")) == (
        "'poem.txt' is not a Python file\n"
        "  hint: a flow file ends in .py; a file of another kind needs a plugin that collects it"
    )


def test_what_a_plugin_raises_over_a_file_is_an_error_with_its_frames(tester: FlowTester) -> None:
    tester.write(
        "reads.py",
        """
        from flowbuilder import hookimpl

        @hookimpl
        def flowbuilder_collect_file(path): raise ValueError("no verse")
        """,
    )
    tester.write("poem.txt", "violets")
    outcome = tester.run("run", "-p", "reads", "poem.txt")
    assert outcome.exit_code == 4
    assert outcome.stderr.startswith(
        "error: a plugin cannot collect 'poem.txt' (poem.txt)\n"
        f'Traceback (most recent call last):\n  File "{tester.path / "reads.py"}", line 5'
    )
    assert outcome.stderr.endswith("ValueError: no verse\n")


def test_plugins_are_listed_with_source_and_hooks(loud: FlowTester) -> None:
    outcome = loud.run("plugins", "-p", "loud")
    lines = [" ".join(line.split()) for line in outcome.stdout.splitlines()]
    assert lines[0] == "terminal built-in"
    place = lines.index(f"loud {loud.path / 'loud.py'}")
    assert lines[place + 1] == "add_commands, add_options, configure, unconfigure"
