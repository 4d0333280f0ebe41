"""Flow files are found as tests are, and each is imported once under a name of its own."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from flowbuilder import Registry, registry, run
from flowbuilder.discovery import (
    FlowFile,
    FlowFinder,
    find_flow_files,
    find_root,
    implicit_workflow,
    import_flow_file,
    install_finder,
    runnable,
)
from flowbuilder.errors import CollectError, DefinitionError, DuplicateNameError

STEP = "from flowbuilder import step, workflow\n@step\ndef rows(): return 1\n"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; what is imported from it is forgotten at the end."""
    finder, path = install_finder(), list(sys.path)
    table, modules = dict(finder.table), set(sys.modules)
    (tmp_path / "pyproject.toml").touch()
    yield tmp_path
    for name in set(sys.modules) - modules:
        if str(tmp_path) in str(getattr(sys.modules[name], "__file__", "")) or name in finder.table:
            del sys.modules[name]
    finder.table.clear()
    finder.table.update(table)
    sys.path[:] = path


def written(folder: Path, name: str, text: str = STEP) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def collected(file: Path, folder: Path) -> tuple[FlowFile, Registry]:
    flows = Registry()
    return import_flow_file(file, folder, flows, registry), flows


def refused(file: Path, folder: Path) -> CollectError:
    with pytest.raises(CollectError) as caught:
        collected(file, folder)
    return caught.value


# Finding.


def test_flow_files_are_found_by_name_in_order_and_each_once(folder: Path) -> None:
    for name in ("b_flow.py", "flow_a.py", "inner/flow_c.py", "other.py", "flow_d.txt", "flowconf.py", "flow.py"):
        written(folder, name)
    names = ["b_flow.py", "flow_a.py", "inner/flow_c.py"]
    assert find_flow_files([folder]) == [folder / name for name in names]
    assert find_flow_files([folder / "inner", folder, folder / "flow_a.py"]) == [
        folder / name for name in ("inner/flow_c.py", "b_flow.py", "flow_a.py")
    ]


@pytest.mark.parametrize("name", [".hidden", "__pycache__", "node_modules", "site-packages", "build", "dist", "env"])
def test_folders_that_tools_fill_are_passed_over(folder: Path, name: str) -> None:
    written(folder, f"{name}/flow_a.py")
    written(folder, "env/pyvenv.cfg")
    assert find_flow_files([folder]) == []
    assert find_flow_files([folder / name / "flow_a.py"]) == [folder / name / "flow_a.py"]


def test_a_loop_of_links_is_not_followed(folder: Path) -> None:
    written(folder, "flow_a.py")
    (folder / "again").symlink_to(folder, target_is_directory=True)
    assert find_flow_files([folder]) == [folder / "flow_a.py"]


def test_a_path_that_is_not_there_is_refused() -> None:
    with pytest.raises(CollectError) as caught:
        find_flow_files([Path("no\x1b.py")])
    assert str(caught.value) == (
        "there is no file or folder 'no\\x1b.py'\n  hint: paths are taken from the current folder"
    )


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "flow_a.py/flow_b.py"])
def test_what_can_be_no_path_is_refused(folder: Path, name: str) -> None:
    written(folder, "flow_a.py")
    with pytest.raises(CollectError) as caught:
        find_flow_files([folder / name])
    assert all(line.isprintable() for line in str(caught.value).splitlines())


def test_links_that_name_each_other_are_refused(folder: Path) -> None:
    (folder / "flow_a.py").symlink_to(folder / "flow_b.py")
    (folder / "flow_b.py").symlink_to(folder / "flow_a.py")
    with pytest.raises(CollectError, match=r"Symlink loop|Too many levels"):
        find_flow_files([folder / "flow_a.py"])


def test_a_folder_that_cannot_be_read_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CollectError) as caught:
        find_flow_files([folder])
    assert str(caught.value) == f"'{folder}' cannot be read: Permission denied"


def test_the_root_is_the_nearest_folder_with_a_pyproject(folder: Path) -> None:
    file = written(folder, "a/b/flow_a.py")
    assert find_root(file) == find_root(file.parent) == folder
    (folder / "pyproject.toml").unlink()
    (folder / "a" / "pyproject.toml").touch()
    assert find_root(file) == folder / "a"


def test_without_a_pyproject_the_root_is_the_folder_itself(tmp_path: Path) -> None:
    assert not any((one / "pyproject.toml").exists() for one in tmp_path.parents)
    assert find_root(tmp_path / "flow_a.py") == tmp_path


# Names.


def test_a_file_is_named_by_its_path_below_the_root(folder: Path) -> None:
    file, flows = collected(written(folder, "pipelines/daily/flow_a.py"), folder)
    assert file.module == "pipelines.daily.flow_a"
    assert flows["rows"].module == "pipelines.daily.flow_a"


def test_equal_names_in_two_folders_never_mix(folder: Path) -> None:
    one, _ = collected(written(folder, "a-b/flow_a.py", STEP.replace("1", "'one'")), folder)
    two, _ = collected(written(folder, "c-d/flow_a.py", STEP.replace("1", "'two'")), folder)
    three, _ = collected(written(folder, "flow_a.py", STEP.replace("1", "'three'")), folder)
    names = [one.module, two.module, three.module]
    assert len(set(names)) == 3
    assert [sys.modules[name].rows() for name in names] == ["one", "two", "three"]
    assert three.module == "flow_a"


@pytest.mark.parametrize("name", ["statistics.py", "code/flow_a.py", "json/flow_a.py", "pluggy/flow_a.py", "pytest.py"])
def test_a_file_hides_no_module_and_is_hidden_by_none(folder: Path, name: str) -> None:
    file, _ = collected(written(folder, name), folder)
    assert file.module.startswith(f"{Path(name).stem}_")
    assert sys.modules[file.module].rows() == 1
    import statistics

    assert statistics.mean([1]) == 1


def test_a_file_that_was_imported_as_a_module_is_that_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(folder)
    written(folder, "flow_lib.py", STEP)
    import flow_lib  # type: ignore[import-not-found]  # written above

    file, _ = collected(folder / "flow_lib.py", folder)
    assert sys.modules[file.module] is flow_lib


def test_a_file_imports_another_by_its_path_below_the_root(folder: Path) -> None:
    written(folder, "jobs_of/flow_a.py")
    text = (
        "from flowbuilder import workflow\nfrom jobs_of.flow_a import rows\n@workflow\ndef report(rows): return rows\n"
    )
    _, flows = collected(written(folder, "jobs_of/flow_b.py", text), folder)
    assert run("report", registry=flows).value == 1


def test_a_file_outside_of_the_root_has_a_name_too(folder: Path) -> None:
    file, _ = collected(written(folder, "flow_out.py"), folder / "inner")
    assert file.module == "flow_out"


def test_a_file_is_imported_once(folder: Path) -> None:
    path = written(
        folder, "flow_once.py", STEP + "import builtins\nbuiltins.times = getattr(builtins, 'times', 0) + 1\n"
    )
    first, second = collected(path, folder), collected(path, folder)
    assert first[0] == second[0]
    assert vars(__import__("builtins")).pop("times") == 1
    assert list(second[1].steps) == ["rows"]


@given(st.lists(st.text(st.sampled_from("ab-_. é1"), min_size=1, max_size=4), min_size=1, max_size=12))
def test_no_two_files_share_a_name(names: list[str]) -> None:
    finder, root = FlowFinder(), Path("/no/such/root")
    paths = [root / name / "flow_a.py" for name in names]
    given_out = {path: finder.name_for(path, root) for path in paths}
    assert len(set(given_out.values())) == len(given_out)
    assert all(finder.table[name] == str(path) for path, name in given_out.items())
    assert {path: finder.name_for(path, root) for path in paths} == given_out


def test_the_finder_is_installed_once_and_knows_only_flow_files() -> None:
    assert install_finder() is install_finder()
    assert install_finder().find_spec("no_such_flow") is None


# Collecting.


def test_only_what_is_written_in_a_file_runs_from_it(folder: Path) -> None:
    written(folder, "flow_lib.py")
    text = "from flowbuilder import step, workflow\nfrom flow_lib import rows\n@step\ndef own(rows): return rows\n"
    file, flows = collected(written(folder, "flow_user.py", text), folder)
    (implicit,) = runnable(file, flows)
    assert [one.name for one in implicit.steps] == ["own"]


def test_steps_made_in_a_loop_are_collected_though_nothing_holds_them(folder: Path) -> None:
    text = (
        "from functools import partial\nfrom flowbuilder import step\n"
        "def load(table): return table\n"
        "for table in ('orders', 'users'):\n    step(name=f'load_{table}')(partial(load, table))\n"
    )
    file, flows = collected(written(folder, "flow_loop.py", text), folder)
    assert list(flows.steps) == ["load_orders", "load_users"]
    (implicit,) = runnable(file, flows)
    assert run(implicit, registry=flows).value == {"load_orders": "orders", "load_users": "users"}


def test_steps_in_functions_do_not_run_by_themselves(folder: Path) -> None:
    text = "from flowbuilder import step\ndef inner():\n    @step\n    def hidden(): ...\n"
    text += "    return hidden\nmade = inner()\n"
    file, flows = collected(written(folder, "flow_inner.py", text), folder)
    assert (runnable(file, flows), len(flows)) == ([], 0)


def test_a_file_with_a_workflow_forms_no_other(folder: Path) -> None:
    file, flows = collected(written(folder, "flow_two.py", STEP + "@workflow\ndef report(rows): ...\n"), folder)
    assert [one.name for one in runnable(file, flows)] == ["report"]


@pytest.mark.parametrize(
    ("name", "workflow"),
    [("flow_sales.py", "sales"), ("sales_flow.py", "sales"), ("flow_.py", "flow_"), ("other.py", "other")],
)
def test_the_implicit_workflow_is_named_after_the_file(name: str, workflow: str) -> None:
    made = implicit_workflow(FlowFile(path=Path("x") / name, module="m"), [])
    assert (made.name, str(made.where), made.fn) == (workflow, f"{Path('x') / name}:1", None)


def test_the_confs_of_a_file_are_those_of_its_folder_and_above(folder: Path) -> None:
    for place in ("", "a/", "a/b/", "other/"):
        written(folder, f"{place}flowconf.py", "")
    file, flows = collected(written(folder, "a/b/flow_a.py"), folder)
    assert flows.outer[file.module] == ("a.b.flowconf", "a.flowconf", "flowconf")
    conf, flows = collected(folder / "a" / "flowconf.py", folder)
    assert flows.outer[conf.module] == ("flowconf",)


def test_a_registry_collects_files_folders_and_modules(folder: Path) -> None:
    written(folder, "flow_a.py")
    written(folder, "inner/flow_b.py", STEP.replace("rows", "more"))
    flows = Registry()
    assert [file.module for file in flows.collect(folder)] == ["flow_a", "inner.flow_b"]
    assert list(flows.steps) == ["rows", "more"]
    again = Registry()
    assert [file.path.name for file in again.collect(sys.modules["flow_a"])] == ["flow_a.py"]
    assert list(again.steps) == ["rows"]
    assert [file.module for file in Registry().collect(str(folder / "flow_a.py"), root=folder)] == ["flow_a"]


def test_relative_paths_are_taken_from_the_current_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(folder, "inner/flow_rel.py")
    monkeypatch.chdir(folder / "inner")
    assert [file.module for file in Registry().collect("flow_rel.py")] == ["inner.flow_rel"]


# What cannot be imported.


def test_a_definition_refused_without_a_place_gets_its_line(folder: Path) -> None:
    file = written(folder, "flow_bad.py", "from flowbuilder import Retry\n\nRetry(2, on=())\n")
    with pytest.raises(DefinitionError, match=r"^Retry\(on=…\) takes exception types") as caught:
        collected(file, folder)

    assert str(caught.value.where) == f"{file}:3"


def test_an_import_error_shows_the_users_own_frames(folder: Path) -> None:
    written(folder, "lib_bad.py", "def check():\n    import no_such_module\n")
    file = written(folder, "flow_bad.py", "from lib_bad import check\n\ncheck()\n")
    assert str(refused(file, folder)) == (
        f"flow_bad.py cannot be imported ({folder}/lib_bad.py:2)\n"
        f'  File "{folder}/flow_bad.py", line 3, in <module>\n    check()\n'
        f'  File "{folder}/lib_bad.py", line 2, in check\n    import no_such_module\n'
        "ModuleNotFoundError: No module named 'no_such_module'"
    )


def test_a_syntax_error_shows_its_place(folder: Path) -> None:
    file = written(folder, "flow_syntax.py", "x = (\n")
    assert str(refused(file, folder)) == (
        f"a flow file has a syntax error ({file}:1)\n"
        f"  File \"{file}\", line 1\n    x = (\n        ^\nSyntaxError: '(' was never closed"
    )


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import os\nraise OSError('\x1b[31m')", "OSError: \\x1b[31m"),
        ("raise BaseExceptionGroup('many', [ValueError()])", "ExceptionGroup: many (1 sub-exception)"),
        ("\0", "source code string cannot contain null bytes"),
        ("x = '\udcff'", "SyntaxError: "),
    ],
)
def test_whatever_a_file_raises_is_told_without_control_characters(folder: Path, text: str, last: str) -> None:
    file = folder / "flow_raises.py"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    told = str(refused(file, folder))
    assert last in told.splitlines()[-1]
    assert all(line.isprintable() for line in told.splitlines())


def test_ctrl_c_stops_collecting(folder: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        collected(written(folder, "flow_stop.py", "raise KeyboardInterrupt"), folder)


def test_a_wrong_definition_is_its_own_error(folder: Path) -> None:
    with pytest.raises(DuplicateNameError, match=r"flow_double\.py:4"):
        collected(written(folder, "flow_double.py", STEP + "@step\ndef rows(): ...\n"), folder)


def test_a_file_that_failed_halfway_leaves_nothing_behind(folder: Path) -> None:
    file = written(folder, "flow_half.py", STEP + "1 / 0\n")
    flows = Registry()
    for _ in range(2):
        with pytest.raises(CollectError):
            flows.collect(file)
    assert (len(flows), registry.at("flow_half")) == (0, {})
    file.write_text(STEP.replace("@step", "\n\n@step"))
    assert list(flows.collect(file) and flows.steps) == ["rows"]


def test_a_broken_conf_is_named(folder: Path) -> None:
    written(folder, "flowconf.py", "1 / 0")
    assert refused(written(folder, "flow_a.py"), folder).what == "flowconf.py cannot be imported"


def test_what_is_no_python_file_is_refused(folder: Path) -> None:
    assert str(refused(written(folder, "flow_a.txt"), folder)) == (
        "'flow_a.txt' is not a Python file\n  hint: a flow file ends in .py"
    )


def test_a_file_that_is_gone_is_refused(folder: Path) -> None:
    (folder / "flow_gone.py").symlink_to(folder / "nowhere.py")
    (file,) = find_flow_files([folder])
    assert "cannot be imported" in refused(file, folder).what


def test_workers_import_files_by_the_same_names(folder: Path) -> None:
    text = (
        "import os\nfrom flowbuilder import step\n"
        "@step(executor='process')\ndef pid() -> int:\n    return os.getpid()\n"
    )
    for place in ("a-b", "code"):
        _, flows = collected(written(folder, f"{place}/flow_worker.py", text), folder)
        assert run("pid", registry=flows).value != os.getpid()
    assert json.dumps(install_finder().table)
