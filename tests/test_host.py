"""Plugins are loaded in one order, and each is checked before it is taken in."""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy
import pytest

from flowbuilder import FlowBuilder, hookimpl, run
from flowbuilder.errors import PluginError
from flowbuilder.host import BUILT_IN, PluginWarning, describe, executors_of, make_host, modules_of
from flowbuilder.runner import make_run_plan
from tests.conftest import Collect

MODULE = "from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_report_header(config): return {!r}\n"


class Heading:
    """A plugin that says its own name."""

    def __init__(self, text: str = "given") -> None:
        self.text = text

    @hookimpl
    def flowbuilder_report_header(self, config: object) -> str:
        return self.text


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of modules and distributions that are installed."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def installed(site: Path, name: str, source: str, *, entry: str = "", version: str = "1.2") -> None:
    """Install a distribution of one module with an entry point."""
    (site / f"{name}.py").write_text(source)
    info = site / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[flowbuilder]\n{entry or name} = {name}\n")


def headers(pm: pluggy.PluginManager) -> list[str]:
    """Return what plugins say, in the order they were registered: pluggy calls the last one first."""
    said: list[str] = pm.hook.flowbuilder_report_header(config=None)
    return said[::-1]


def names(pm: pluggy.PluginManager) -> list[str]:
    return [name for name, plugin in pm.list_name_plugin() if plugin is not None]


def refused(*plugins: Any, **words: Any) -> str:
    with pytest.raises(PluginError) as caught:
        make_host(plugins=plugins, **words)
    assert caught.value.exit_code == 4
    return str(caught.value)


# Loading.


def test_plugins_are_loaded_built_in_first_then_installed_named_and_given(site: Path) -> None:
    installed(site, "plug_b", MODULE.format("b"))
    installed(site, "plug_a", MODULE.format("a"), entry="a")
    (site / "plug_named.py").write_text(MODULE.format("named"))
    pm = make_host(plugins=[Heading()], names=["plug_named"], builtin=["durations", "json"])
    assert names(pm) == ["durations", "json", "a", "plug_b", "plug_named", "Heading"]
    assert headers(pm) == ["a", "b", "named", "given"]


def test_nothing_is_built_in_or_installed_unless_asked_for() -> None:
    assert names(make_host(entry_points=False)) == []


def test_autoload_is_switched_off_by_the_environment(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed(site, "plug_off", MODULE.format("off"))
    assert headers(make_host()) == ["off"]
    monkeypatch.setenv("FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD", "1")
    assert headers(make_host()) == []
    assert headers(make_host(names=["plug_off"])) == ["off"]


def test_a_plugin_is_left_out_by_its_name(site: Path) -> None:
    installed(site, "plug_out", MODULE.format("out"), entry="out")
    (site / "plug_too.py").write_text(MODULE.format("too"))
    pm = make_host(names=["no:out", "no:json", "plug_too", "no:plug_too"], builtin=list(BUILT_IN))
    assert names(pm) == ["terminal", "debugger", "capture", "durations", "junitxml"]
    assert headers(pm) == []


def test_a_left_out_plugin_is_not_even_imported(site: Path) -> None:
    installed(site, "plug_loud", "raise SystemExit")
    make_host(names=["no:plug_loud"])
    assert "plug_loud" not in sys.modules


def test_a_left_out_plugin_may_be_broken() -> None:
    pm = make_host(names=["no:json"], entry_points=False)
    assert pm.register(with_hook("flowbuilder_zzz", lambda self: 1), "json") is None


def test_leaving_out_what_is_not_there_is_refused_with_the_nearest() -> None:
    text = refused(names=["no:duration"], entry_points=False)
    assert text == (
        "-p no:duration: there is no such plugin\n  allowed: terminal, debugger, capture, durations, junitxml, json"
        "\n  hint: did you mean 'durations'?"
    )


def test_naming_a_plugin_twice_or_an_installed_one_loads_it_once(site: Path) -> None:
    installed(site, "plug_once", MODULE.format("once"), entry="once")
    pm = make_host(names=["once", "once", "plug_once", "durations"], builtin=["durations"])
    assert names(pm) == ["durations", "once"]


def test_a_built_in_plugin_may_be_named() -> None:
    assert names(make_host(names=["json"], entry_points=False)) == ["json"]


# What cannot be loaded.


def test_a_module_that_is_not_there_is_refused() -> None:
    assert refused(names=["durationz"], entry_points=False) == (
        "the plugin 'durationz' cannot be loaded\n  got: ModuleNotFoundError: No module named 'durationz'"
        "\n  hint: did you mean 'durations'?"
    )
    assert refused(names=["no_such.thing"], entry_points=False).endswith(
        "\n  hint: leave it out with -p no:no_such.thing"
    )


def test_an_input_given_by_the_wrong_letter_is_hinted_at() -> None:
    assert refused(names=["root=src"]).endswith("\n  hint: inputs are given with -P root=src")


@pytest.mark.parametrize("name", ["", ".", "..x", "a b", "\x1b[31m", "x" * 5000])
def test_what_is_no_name_of_a_module_is_refused(name: str) -> None:
    text = refused(names=[name], entry_points=False)
    assert text.startswith("the plugin '")
    assert all(line.isprintable() for line in text.splitlines())


def test_an_import_error_inside_a_plugin_shows_its_own_lines(site: Path) -> None:
    (site / "plug_inner.py").write_text("def setup():\n    import no_such_module\n\nsetup()\n")
    assert refused(names=["plug_inner"]) == (
        "the plugin 'plug_inner' cannot be loaded\n  got: ModuleNotFoundError: No module named 'no_such_module'"
        "\n  hint: leave it out with -p no:plug_inner"
        f'\n  File "{site}/plug_inner.py", line 4, in <module>\n    setup()'
        f'\n  File "{site}/plug_inner.py", line 2, in setup\n    import no_such_module\n'
    )


def test_a_syntax_error_in_a_plugin_shows_its_place(site: Path) -> None:
    (site / "plug_syntax.py").write_text("x = (\n")
    assert refused(names=["plug_syntax"]) == (
        "the plugin 'plug_syntax' cannot be loaded\n  got: SyntaxError: '(' was never closed"
        "\n  hint: leave it out with -p no:plug_syntax"
        f'\n  File "{site}/plug_syntax.py", line 1\n    x = (\n        ^\n'
    )


@pytest.mark.parametrize("source", ["raise SystemExit(3)", "1 / 0", "def f(:", "raise BaseException('\x1b[31m')"])
def test_a_plugin_that_raises_while_it_is_imported_is_refused(site: Path, source: str) -> None:
    (site / "plug_raises.py").write_text(source)
    text = refused(names=["plug_raises"])
    assert text.startswith("the plugin 'plug_raises' cannot be loaded\n  got: ")
    assert "\x1b" not in text


def test_ctrl_c_while_a_plugin_is_imported_stops_everything(site: Path) -> None:
    (site / "plug_slow.py").write_text("raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        make_host(names=["plug_slow"])


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        (
            "from flowbuilder import hookimpl\n@hookimpl\ndef flowbuilder_run_stop(): ...",
            "there is no hook 'flowbuilder_run_stop' (plugin plug_broken, flowbuilder_run_stop)",
        ),
    ],
)
def test_an_installed_plugin_that_is_broken_is_left_out_with_one_warning(site: Path, source: str, why: str) -> None:
    installed(site, "plug_broken", source)
    installed(site, "plug_whole", MODULE.format("whole"))
    said: list[str] = []
    assert headers(make_host(warn=said.append)) == ["whole"]
    assert said == [f"the installed plugin 'plug_broken' is left out: {why}; switch it off with -p no:plug_broken"]
    with pytest.warns(PluginWarning, match="the installed plugin 'plug_broken' is left out"):
        make_host()
    make_host(names=["no:plug_broken"])


def test_an_installed_plugin_that_is_asked_for_must_work(site: Path) -> None:
    installed(site, "plug_asked", "1 / 0")
    assert "ZeroDivisionError" in refused(names=["plug_asked"])


# What is no plugin.


def with_hook(name: str, fn: Any, **options: Any) -> Any:
    """Return a plugin with one hook."""
    plugin = type("Plugin", (), {name: hookimpl(**options)(fn) if options else hookimpl(fn)})
    return plugin()


async def later(self: Any) -> None: ...


async def later_each(self: Any) -> Any:
    yield


def stepping(self: Any) -> Generator[None, None, None]:
    yield


WRONG_HOOKS = [
    ("flowbuilder_step_strat", lambda self: 1, {}, "there is no hook 'flowbuilder_step_strat'",
     "\n  hint: did you mean 'step_start' or 'step_repeat' or 'step_retry'?"),
    ("flowbuilder_zzz", lambda self: 1, {}, "there is no hook 'flowbuilder_zzz'", "\n  hint: see the hook reference"),
    ("anything", lambda self: 1, {"specname": "flowbuilder_zzz"}, "there is no hook 'flowbuilder_zzz'",
     "\n  hint: see the hook reference"),
    ("flowbuilder_run_start", lambda self, rnu: 1, {}, "the hook has no argument 'rnu'",
     "\n  allowed: run\n  hint: did you mean 'run'?"),
    ("flowbuilder_executors", lambda self, run: 1, {}, "the hook has no argument 'run'", "\n  allowed: none"),
    ("flowbuilder_run_start", lambda self, *args: 1, {}, "the hook has no argument 'args'", "\n  allowed: run"),
    ("flowbuilder_run_start", lambda self, run=None: 1, {},
     "the argument 'run' has a default, so it would never be filled", "\n  hint: write it without: run"),
    ("flowbuilder_run_start", later, {}, "a hook cannot be async: hooks are plain calls", "\n  hint: make it a def"),
    ("flowbuilder_run_start", later_each, {}, "a hook cannot be async: hooks are plain calls",
     "\n  hint: make it a def"),
    ("flowbuilder_run_start", stepping, {"wrapper": True}, "a hook that watches cannot be wrapped",
     "\n  hint: use @hookimpl without wrapper"),
    ("flowbuilder_step_finish", stepping, {"hookwrapper": True}, "a hook that watches cannot be wrapped",
     "\n  hint: use @hookimpl without wrapper"),
    ("flowbuilder_step_call", lambda self: 1, {}, "flowbuilder_step_call is a generator that yields once",
     "\n  hint: yield in it"),
    ("flowbuilder_step_call", stepping, {"hookwrapper": True}, "flowbuilder_step_call takes no hookwrapper",
     "\n  hint: use @hookimpl, and yield once in it"),
]  # fmt: skip


@pytest.mark.parametrize(("hook", "fn", "options", "what", "rest"), WRONG_HOOKS)
def test_a_wrong_hook_is_refused_in_its_own_words(
    hook: str, fn: Any, options: dict[str, Any], what: str, rest: str
) -> None:
    assert refused(with_hook(hook, fn, **options)) == f"{what} (plugin Plugin, {hook}){rest}"


def test_a_hook_that_is_not_marked_is_refused() -> None:
    class Forgetful:
        def flowbuilder_run_start(self) -> None: ...

    assert refused(Forgetful()) == (
        "a hook that is not marked would never be called (plugin Forgetful, flowbuilder_run_start)"
        "\n  hint: put @hookimpl on it"
    )


def test_a_wrapper_that_cannot_be_one_is_refused() -> None:
    text = refused(with_hook("flowbuilder_configure", lambda self, config: 1, wrapper=True))
    assert text.startswith("the plugin 'Plugin' cannot be used\n  got: ")
    assert "wrapper" in text


def test_a_plugin_that_was_half_taken_in_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = pluggy.PluginManager.register

    def register(self: pluggy.PluginManager, plugin: Any, name: str) -> None:
        taken(self, plugin, name)
        raise pluggy.PluginValidationError(plugin, "first line\nlast line")

    monkeypatch.setattr(pluggy.PluginManager, "register", register)
    pm = make_host(entry_points=False)
    with pytest.raises(PluginError) as caught:
        pm.register(Heading())
    assert str(caught.value) == "the plugin 'Heading' cannot be used\n  got: last line"
    assert names(pm) == []


def test_what_is_no_plugin_is_refused() -> None:
    assert refused(Heading) == (
        f"a plugin is a module or an object, not a class\n  got: <class '{__name__}.Heading'>\n  hint: Heading()"
    )
    assert refused("plug_x") == (
        "a plugin has functions that are hooks, and this has none\n  got: 'plug_x'"
        "\n  hint: name a module with -p plug_x"
    )
    assert refused(None) == (
        "a plugin has functions that are hooks, and this has none\n  got: None\n  hint: mark them: @hookimpl"
    )


def test_one_plugin_given_twice_is_refused() -> None:
    plugin = Heading()
    assert refused(plugin, plugin) == (
        f"the plugin 'Heading' is registered twice\n  got: {plugin!r}\n  hint: give it once"
    )


def test_two_plugins_of_one_name_are_refused() -> None:
    first, second = ModuleType("same"), ModuleType("same")
    assert refused(first, second) == (
        "the plugin 'same' is registered twice\n  got: <module 'same'>\n  hint: two plugins need two names"
    )


def test_two_objects_of_one_class_are_told_apart() -> None:
    assert names(make_host(plugins=[Heading("a"), Heading("b")], entry_points=False)) == ["Heading", "Heading#2"]


def test_a_plugin_that_a_plugin_registers_is_checked_too() -> None:
    pm = make_host(entry_points=False)
    with pytest.raises(PluginError, match="there is no hook 'flowbuilder_zzz'"):
        pm.register(with_hook("flowbuilder_zzz", lambda self: 1), "late")
    pm.register(Heading(), "late")
    with pytest.raises(PluginError, match=r"the plugin 'again' is registered twice\n  got: .*, as 'late'"):
        pm.register(pm.get_plugin("late"), "again")


def test_properties_of_a_plugin_are_its_own_business() -> None:
    class Shy(Heading):
        @property
        def secret(self) -> str:
            raise RuntimeError("not yours")

    assert headers(make_host(plugins=[Shy("shy")], entry_points=False)) == ["shy"]


def test_a_wrapper_may_stand_where_a_hook_is_asked() -> None:
    class Louder:
        @hookimpl(wrapper=True)
        def flowbuilder_report_header(self) -> Generator[None, list[str], list[str]]:
            said = yield
            return [text.upper() for text in said]

    assert headers(make_host(plugins=[Heading(), Louder()], entry_points=False)) == ["GIVEN"]


# What plugins offer.


def offering(name: str, value: Any) -> Any:
    plugin = with_hook("flowbuilder_executors", lambda self: value)
    plugin.__name__ = name
    return plugin


@pytest.mark.parametrize("value", [5, ["dask"], {"dask": 5}, {5: print}])
def test_an_offer_that_is_no_executor_names_the_plugin(value: object) -> None:
    with pytest.raises(PluginError) as caught:
        executors_of(make_host(plugins=[offering("bad", value)]), {})
    assert str(caught.value) == (
        f"flowbuilder_executors of the plugin 'bad' returns no executors\n  got: {value!r}"
        '\n  allowed: {"name": factory}'
    )


def test_an_offer_of_nothing_is_fine() -> None:
    assert executors_of(make_host(plugins=[offering("none", None), offering("empty", {})]), {}) == {}


def test_an_executor_that_exists_is_refused_naming_both_owners() -> None:
    pm = make_host(plugins=[offering("one", {"dask": print}), offering("two", {"dask": print})])
    with pytest.raises(PluginError) as caught:
        executors_of(pm, {})
    assert str(caught.value) == (
        "the plugin 'two' offers the executor 'dask', which the plugin 'one' has already"
        "\n  hint: leave it out with -p no:two"
    )


def test_the_definitions_of_plugins_modules_are_in_scope(site: Path, collect: Collect) -> None:
    (site / "plug_steps.py").write_text("from flowbuilder import provider\n@provider\ndef api(): return 'theirs'\n")
    import plug_steps  # type: ignore[import-not-found]  # written above

    flows = collect("from flowbuilder import workflow\n@workflow\ndef report(api): return api\n")
    pm = make_host(plugins=[plug_steps, Heading()], builtin=["json"], entry_points=False)
    assert modules_of(pm) == ("plug_steps",)
    assert list(make_run_plan("report", None, None, flows, pm).providers) == ["api"]
    assert run("report", registry=flows, plugins=[plug_steps]).value == "theirs"


def test_a_flowconf_is_in_scope_of_its_own_folder_alone(site: Path) -> None:
    conf = ModuleType("conf")
    conf.__file__ = str(site / "flowconf.py")
    assert modules_of(make_host(plugins=[conf], entry_points=False)) == ()


# What is shown.


def test_plugins_are_described_with_source_version_and_hooks(site: Path) -> None:
    installed(site, "plug_shown", MODULE.format("shown"), entry="shown")
    (site / "plug_named.py").write_text("__version__ = '7'\n" + MODULE.format("named"))
    found = describe(make_host(plugins=[Heading()], names=["plug_named", "no:capture"], builtin=["json"]))
    assert [(one.name, one.source, one.version) for one in found] == [
        ("json", "built-in", ""),
        ("shown", str(site / "plug_shown.py"), "1.2"),
        ("plug_named", str(site / "plug_named.py"), "7"),
        ("Heading", __file__, ""),
    ]
    assert found[1].hooks == ("report_header",)


def test_a_plugins_hooks_hear_of_the_run_they_are_given_to() -> None:
    told: list[str] = []

    class Told:
        @hookimpl
        def flowbuilder_run_start(self, run: Any) -> None:
            told.append(run.workflow)

    run(FlowBuilder("first").step(lambda: 1, name="a").build(), plugins=[Told()])
    run(FlowBuilder("second").step(lambda: 1, name="a").build())
    assert told == ["first"]
