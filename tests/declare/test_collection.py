"""What decorators collect into: one namespace a place, names replaced where a cell runs again."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from flowbuilder import Registry
from flowbuilder.declare.collection import Collection
from flowbuilder.errors import DefinitionError, DuplicateNameError, UnknownNameError


def executed(source: str, flows: Registry, *, file: str = "flow_a.py", module: str = "flow_a") -> dict[str, Any]:
    """Execute source as a module of that file would be."""
    namespace: dict[str, Any] = {"__name__": module, "flows": flows}
    exec(compile(source, file, "exec"), namespace)
    return namespace


@pytest.fixture
def reloadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path / "reloadable_flow.py"
    sys.modules.pop("reloadable_flow", None)


TWO_LOADS = """
@flows.step
def load(): ...

@flows.{kind}(name="load")
def other(): ...
"""


@pytest.mark.parametrize("kind", ["step", "workflow", "provider"])
def test_two_definitions_of_one_name_in_a_file_are_refused_naming_both(kind: str) -> None:
    with pytest.raises(DuplicateNameError) as caught:
        executed(TWO_LOADS.format(kind=kind), Registry())
    assert str(caught.value) == (
        "the name 'load' is defined twice (flow_a.py:5)\n  got: flow_a.py:2 and flow_a.py:5"
        "\n  hint: steps, workflows and providers share one namespace: rename one, or give it name="
    )


def test_a_name_is_the_same_in_composed_and_decomposed_letters() -> None:
    source = '@flows.step(name="caf\u00e9")\ndef a(): ...\n\n@flows.step(name="cafe\u0301")\ndef b(): ...\n'
    with pytest.raises(DuplicateNameError):
        executed(source, Registry())


def test_the_same_name_in_two_files_or_functions_is_two_definitions() -> None:
    flows = Registry()
    executed("@flows.step\ndef load(): ...", flows)
    executed("@flows.step\ndef load(): ...", flows, file="flow_b.py", module="flow_b")
    executed("def inner():\n    @flows.step\n    def load(): ...\ninner()", flows)
    assert len(flows) == 3


def test_a_notebook_cell_that_runs_again_replaces_what_it_defined() -> None:
    flows = Registry()
    executed("@flows.step\ndef load(): ...", flows, file="<cell 1>", module="__main__")
    executed("\n@flows.step\ndef load(): ...", flows, file="<cell 2>", module="__main__")
    assert [str(one.where) for one in flows] == ["<cell 2>:2"]


def test_a_function_called_twice_defines_its_step_anew() -> None:
    flows = Registry()

    def inner() -> None:
        @flows.step
        def load() -> None: ...

    inner()
    inner()
    assert len(flows) == 1


def test_a_reloaded_module_starts_afresh(reloadable: Path) -> None:
    reloadable.write_text("from flowbuilder import step\n@step\ndef a(): ...\n@step\ndef b(): ...\n")
    module = importlib.import_module("reloadable_flow")
    reloadable.write_text("from flowbuilder import step\n# moved\n@step\ndef b(): ...\n@step\ndef c(): ...\n")
    importlib.reload(module)

    from flowbuilder import registry

    assert list(registry.at("reloadable_flow")) == ["b", "c"]


def test_a_module_that_gets_a_spec_late_keeps_its_definitions(monkeypatch: pytest.MonkeyPatch) -> None:
    flows = Registry()
    executed("@flows.step\ndef a(): ...", flows)
    module = ModuleType("flow_a")
    module.__spec__ = importlib.machinery.ModuleSpec("flow_a", None)
    monkeypatch.setitem(sys.modules, "flow_a", module)
    executed("\n\n@flows.step\ndef b(): ...", flows)
    assert list(flows.at("flow_a")) == ["a", "b"]


def test_definitions_are_found_by_kind_in_definition_order() -> None:
    flows = Registry()
    executed(
        "@flows.step\ndef b(): ...\n@flows.step\ndef a(): ...\n"
        "@flows.workflow\ndef w(): ...\n@flows.provider\ndef p(): ...\n",
        flows,
    )
    assert (list(flows.steps), list(flows.workflows), list(flows.providers)) == (["b", "a"], ["w"], ["p"])
    assert [one.name for one in flows] == ["b", "a", "w", "p"]
    assert flows["w"] is flows.workflows["w"]
    assert "b" in flows
    assert flows["b"] in flows
    assert "c" not in flows
    assert 5 not in flows


def test_a_name_of_two_modules_is_asked_for_with_its_module() -> None:
    flows = Registry()
    executed("@flows.step\ndef load(): ...", flows)
    executed("@flows.step\ndef load(): ...", flows, file="flow_b.py", module="flow_b")
    with pytest.raises(DefinitionError) as caught:
        flows["load"]
    assert str(caught.value) == "several modules have a 'load'\n  hint: say which: flow_a::load, flow_b::load"
    assert flows["flow_b::load"].module == "flow_b"


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    flows = Registry()
    executed("@flows.workflow\ndef nightly(): ...", flows)
    with pytest.raises(UnknownNameError) as caught:
        flows["nightli"]
    assert str(caught.value) == (
        "there is no definition named 'nightli'\n  allowed: nightly\n  hint: did you mean 'nightly'?"
    )


def test_what_is_added_is_kept_and_stands_before_everything_decorated() -> None:
    flows, other = Registry(), Registry()
    executed("@flows.step\ndef load(): ...", flows)
    added = executed("@flows.step\ndef load(): ...", other, module="flow_b")["load"]
    assert flows.add(added) is other["load"]
    assert flows.own()["load"] is other["load"]
    assert flows.add(other["load"]) is other["load"]


def test_what_is_no_definition_cannot_be_added() -> None:
    with pytest.raises(DefinitionError) as caught:
        Registry().add(print)
    assert str(caught.value) == (
        "this is neither a decorated function nor a definition\n  got: <built-in function print>\n  hint: use @step"
    )


def test_two_of_one_name_cannot_be_added() -> None:
    flows, other = Registry(), Registry()
    executed("@flows.step\ndef load(): ...", other)
    executed("@flows.step\ndef load(): ...", other, file="flow_b.py", module="flow_b")
    flows.add(other["flow_a::load"])
    with pytest.raises(DuplicateNameError, match=r"got: flow_a\.py:1 and flow_b\.py:1"):
        flows.add(other["flow_b::load"])


def test_what_a_registry_decorated_is_its_own_where_the_name_is() -> None:
    flows = Registry()
    executed("@flows.step\ndef load(): ...\n@flows.step\ndef clean(): ...", flows)
    executed("@flows.step\ndef load(): ...", flows, file="flow_b.py", module="flow_b")
    assert list(flows.own()) == ["clean"]


def test_a_lexical_collection_has_nothing_of_its_own_but_what_was_added() -> None:
    flows = Registry(lexical=True)
    executed("@flows.step\ndef load(): ...\n@flows.step\ndef clean(): ...", flows)
    assert flows.own() == {}
    flows.add(flows["load"])
    assert list(flows.own()) == ["load"]


def test_a_forgotten_module_leaves_nothing() -> None:
    flows = Registry()
    executed("@flows.step\ndef load(): ...", flows)
    flows.add(flows["load"])
    flows.forget("flow_a")
    assert (len(flows), flows.own(), list(flows)) == (0, {}, [])


def test_decorating_in_many_threads_loses_nothing() -> None:
    flows = Collection()
    barrier = threading.Barrier(16)

    def decorate(number: int) -> None:
        barrier.wait()
        for one in range(50):
            flows.step(name=f"s{number}_{one}")(lambda: None)

    threads = [threading.Thread(target=decorate, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(flows.steps) == 800
