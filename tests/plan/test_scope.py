"""A name is looked up lexically, from where the function that asks was written."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowbuilder import FlowBuilder, Registry, WorkflowDefinition
from flowbuilder.errors import InputError, PlanError, UnknownNameError
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.plan import Plan
from tests.conftest import Collect


def where(plan: Plan, step: str, parameter: str) -> str:
    """Return the module that what a parameter is bound to was written in, the last part of its name."""
    source = next(one.source for one in plan.by_name[step].bindings if one.parameter == parameter)
    found = plan.by_name[source].definition if source in plan.by_name else plan.providers[source].definition
    return str(found.module).rpartition(".")[2]


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Path]:
    """A folder of modules to import."""
    sys.path.insert(0, str(tmp_path))
    before = set(sys.modules)
    yield tmp_path
    sys.path.remove(str(tmp_path))
    for name in set(sys.modules) - before:
        del sys.modules[name]


STEP = "from flowbuilder import step, workflow, provider\n"


def test_an_imported_step_brings_its_own_upstream_along(collect: Collect, written: Path) -> None:
    (written / "lib_own.py").write_text(STEP + "@step\ndef rows(): ...\n@step\ndef total(rows): ...\n")
    flows = collect(
        STEP + "from lib_own import total\n@step\ndef rows(): ...\n@workflow\ndef report(total, rows): ...\n",
        "flow_own.py",
    )
    plan = flows.plan("report")
    assert where(plan, "total", "rows") == "lib_own"
    assert where(plan, "report", "rows") == "flow_own"
    assert [step.name for step in plan.steps] == ["lib_own.rows", "total", "rows", "report"]


def test_flowconf_is_in_scope_of_the_files_in_and_below_its_folder(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "flowconf.py").write_text(STEP + "@step\ndef a(): ...\n@step\ndef b(): ...\n")
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "flowconf.py").write_text(STEP + "@step\ndef b(): ...\n")
    flows = collect(STEP + "@workflow\ndef inner_flow(a, b): ...\n", "inner/flow_inner.py")
    plan = flows.plan("inner_flow")
    assert Path(str(plan.by_name["a"].definition.where.file)) == tmp_path / "flowconf.py"
    assert Path(str(plan.by_name["b"].definition.where.file)) == tmp_path / "inner" / "flowconf.py"


def test_what_flowconf_imports_is_in_scope_too(collect: Collect, written: Path) -> None:
    (written / "lib_shared.py").write_text(STEP + "@provider\ndef api(): ...\n")
    (written / "flowconf.py").write_text("from lib_shared import api\n")
    flows = collect(STEP + "@workflow\ndef report(api): ...\n", "flow_conf.py")
    assert where(flows.plan("report"), "report", "api") == "lib_shared"


def test_an_imported_file_has_the_flowconf_of_its_own_folder(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "flowconf.py").write_text(STEP + "@step\ndef a(): ...\n@step\ndef b(): ...\n")
    (tmp_path / "inner" / "flowconf.py").write_text(STEP + "@step\ndef b(a): ...\n")
    (tmp_path / "inner" / "flow_lib.py").write_text(STEP + "@step\ndef total(a, b): ...\n")
    flows = collect(STEP + "from inner.flow_lib import total\n@workflow\ndef report(total, b): ...\n", "flow_outer.py")
    plan = flows.plan("report")
    files = {step.name: Path(step.definition.where.file).relative_to(tmp_path).parts for step in plan.steps}
    assert [name for name in files if files[name] == ("inner", "flowconf.py")] == [plan.by_name["total"].upstream[1]]
    assert files["a"] == files[plan.by_name["report"].upstream[1]] == ("flowconf.py",)


def test_a_flowconf_has_those_above_it(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "flowconf.py").write_text(STEP + "@step\ndef a(): ...\n")
    (tmp_path / "inner" / "flowconf.py").write_text(STEP + "@step\ndef b(a): ...\n")
    plan = collect(STEP + "@workflow\ndef report(b): ...\n", "inner/flow_below.py").plan("report")
    assert [step.name for step in plan.steps] == ["a", "b", "report"]


def test_the_file_comes_before_flowconf(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "flowconf.py").write_text(STEP + "@step\ndef rows(): ...\n")
    flows = collect(STEP + "@step\ndef rows(): ...\n@workflow\ndef report(rows): ...\n", "flow_before.py")
    assert where(flows.plan("report"), "report", "rows") == "flow_before"


def test_plugins_come_last(collect: Collect, written: Path) -> None:
    (written / "plug_a.py").write_text(STEP + "@step\ndef rows(): ...\n@step\ndef extra(): ...\n")
    flows = collect(
        STEP + "import plug_a\n@step\ndef rows(): ...\n@workflow\ndef report(rows, extra): ...\n", "flow_plug.py"
    )
    plan = flows.plan("report", options=PlanOptions(plugins=("plug_a",)))
    assert (where(plan, "report", "rows"), where(plan, "report", "extra")) == ("flow_plug", "plug_a")
    with pytest.raises(InputError, match="'report' needs 'extra'"):
        flows.plan("report")


def test_steps_written_in_a_function_see_it_and_then_its_module() -> None:
    flows = Registry()

    @flows.step
    def rows() -> None: ...

    def inner() -> object:
        @flows.step
        def rows() -> None: ...

        @flows.workflow
        def report(rows: None, other: None) -> None: ...

        return report

    @flows.step
    def other() -> None: ...

    report = inner()
    plan = flows.plan(report)
    lines = {step.name: step.definition.where.line for step in plan.steps}
    assert lines["rows"] > rows.__code__.co_firstlineno
    assert "other" in lines


def test_steps_written_in_nested_functions_see_the_functions_around_them() -> None:
    flows = Registry(lexical=True)
    namespace = {"flows": flows, "__name__": "nested"}
    exec(
        "def outer():\n  @flows.step\n  def rows(): ...\n  def inner():\n    @flows.step\n    def total(rows): ...\n"
        "    return total\n  return inner()\ntotal = outer()\n",
        namespace,
    )
    assert [step.name for step in flows.plan(namespace["total"]).steps] == ["rows", "total"]


def test_a_builders_own_steps_come_first_for_all_it_plans() -> None:
    flows = Registry()

    @flows.step
    def rows() -> None: ...

    def total(rows: None) -> None: ...

    flow = FlowBuilder("etl").step(lambda: None, name="rows").step(total).build()
    assert flows.plan(flow).by_name["rows"].definition is flow.own["rows"]


def test_a_registrys_own_steps_come_first(written: Path) -> None:
    (written / "lib_reg.py").write_text(
        STEP + "from flowbuilder import Registry\nflows = Registry()\n"
        "@step\ndef rows(): ...\n@flows.step\ndef total(rows): ...\n"
    )
    from lib_reg import flows, total  # type: ignore[import-not-found]  # written above

    assert isinstance(flows, Registry)
    assert where(flows.plan(total), "total", "rows") == "lib_reg"
    flows.step(name="rows")(lambda: None)
    assert where(flows.plan(total), "total", "rows") == "test_scope"


def test_what_is_added_to_a_registry_stands_for_its_name_everywhere(collect: Collect) -> None:
    flows = collect(STEP + "@step\ndef rows(): ...\n@workflow\ndef report(rows): ...\n", "flow_added.py")
    flows.add(Registry().step(name="rows")(lambda: 5))
    assert where(flows.plan("report"), "report", "rows") == "test_scope"


def test_an_executed_namespace_is_a_scope_like_a_module() -> None:
    flows = Registry(lexical=True)
    other = Registry(lexical=True)
    namespace = {"flows": flows, "other": other, "__name__": "not_imported"}
    exec("@other.step\ndef rows(): ...\n@flows.workflow\ndef report(rows): ...\n", namespace)
    assert [step.name for step in flows.plan("report").steps] == ["rows", "report"]


def test_two_imports_of_one_name_are_refused_when_the_name_is_asked_for(collect: Collect, written: Path) -> None:
    (written / "lib_one.py").write_text(STEP + "@step\ndef rows(): ...\n")
    (written / "lib_two.py").write_text(STEP + "@step\ndef rows(): ...\n")
    (written / "lib_three.py").write_text(STEP + "@step\ndef rows(): ...\n")
    flows = collect(
        STEP + "from lib_one import rows\nfrom lib_two import rows as more\nfrom lib_three import rows as most\n"
        "@workflow\ndef both(rows): ...\n"
        "@workflow(steps=[rows])\ndef one(): ...\n",
        "flow_two.py",
    )
    with pytest.raises(PlanError) as caught:
        flows.plan("both")
    assert str(caught.value) == (
        f"'rows' stands for two definitions in the scope of 'both' ({written}/flow_two.py:5)"
        f"\n  got: {written}/lib_one.py:2 and {written}/lib_two.py:2"
        '\n  hint: say which one is meant: needs={"parameter": step}, or give one of them a name='
    )
    assert [step.name for step in flows.plan("one").steps] == ["rows", "one"]


def test_one_step_imported_under_two_names_is_one_step(collect: Collect, written: Path) -> None:
    (written / "lib_same.py").write_text(STEP + "@step\ndef rows(): ...\n")
    flows = collect(
        STEP + "from lib_same import rows\nfrom lib_same import rows as more\n@workflow\ndef both(rows): ...\n",
        "flow_same.py",
    )
    assert [step.name for step in flows.plan("both").steps] == ["rows", "both"]


@pytest.mark.parametrize("name", ["cafe\u0301", "売上ＡＢＣ"])
def test_a_name_however_typed_finds_its_step_and_its_input(collect: Collect, name: str) -> None:
    flows = collect(STEP + f"@step(name='{name}')\ndef a(): ...\n@step\ndef total({name}, {name}_in, rows): ...\n")
    params = {f"{name}_in": 5, "rows": 1}
    plan = flows.plan("total", params)
    assert plan.by_name["total"].upstream == (flows[name].name,)
    assert list(plan.params.values()) == [5, 1]
    assert [step.name for step in flows.plan("total", params, overrides={name: 3}).steps] == ["total"]

    flow = FlowBuilder("etl").step(flows[name].fn).step(lambda rows: rows, name="b", needs={"rows": name})  # type: ignore[arg-type]  # it has a function
    assert flows.plan(flow.build()).by_name["b"].upstream == (flows[name].name,)


@pytest.mark.parametrize("word", ["needs", "after"])
def test_a_step_that_is_not_there_is_refused_with_the_nearest(word: str) -> None:
    def total(rows: None = None) -> None: ...

    given = {"rows": "laod"} if word == "needs" else ["laod"]
    flow = FlowBuilder("etl").step(lambda: None, name="load").step(total, **{word: given}).build()  # type: ignore[arg-type]  # one of two words
    with pytest.raises(UnknownNameError) as caught:
        Registry().plan(flow)
    place = f"{__file__}:{total.__code__.co_firstlineno}"
    assert str(caught.value) == (
        f"there is no step named 'laod' ({place})\n  allowed: load, total\n  hint: did you mean 'load'?"
    )


def test_an_outer_definition_that_fills_a_default_is_warned_of(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "flowconf.py").write_text(STEP + "@step\ndef limit(): ...\n")
    flows = collect(STEP + "@step\ndef rows(): ...\n@workflow\ndef report(rows=1, limit=5): ...\n", "flow_outer.py")
    assert flows.plan("report").warnings == (
        f"report: the parameter 'limit' has a default, but is filled by 'limit' of {tmp_path}/flowconf.py:2",
    )


def test_an_imported_or_wired_definition_that_fills_a_default_is_meant(collect: Collect, written: Path) -> None:
    (written / "lib_meant.py").write_text(STEP + "@step\ndef rows(): ...\n")
    (written / "flowconf.py").write_text(STEP + "@step\ndef limit(): ...\n")
    flows = collect(
        STEP + "from lib_meant import rows\n@step(needs={'top': 'limit'})\ndef report(rows=1, top=5): ...\n",
        "flow_meant.py",
    )
    assert flows.plan("report").warnings == ()


def test_a_step_in_a_function_is_warned_of_what_its_module_fills_in() -> None:
    flows = Registry(lexical=True)
    namespace = {"flows": flows, "__name__": "warned"}
    exec(
        "@flows.step\ndef limit(): ...\ndef inner():\n  @flows.workflow\n  def report(limit=5): ...\n"
        "  return report\nreport = inner()\n",
        namespace,
    )
    assert len(flows.plan(namespace["report"]).warnings) == 1


def test_a_module_may_hold_objects_that_raise_when_they_are_looked_at(collect: Collect) -> None:
    flows = collect(
        STEP + "class Lazy:\n    def __getattribute__(self, name):\n        raise RuntimeError(name)\n"
        "lazy = Lazy()\n@workflow\ndef report(): ...\n",
        "flow_lazy.py",
    )
    plan = flows.plan("report")
    assert isinstance(plan.workflow, WorkflowDefinition)
    assert [step.name for step in plan.steps] == ["report"]


def test_a_decorated_step_that_a_builder_gives_other_words_is_the_one_that_others_are_wired_to() -> None:
    flows = Registry()

    @flows.step
    def rows() -> list[int]:
        return [1, 2]

    @flows.step(needs={"data": rows})
    def total(data: list[int]) -> int:
        return sum(data)

    @flows.step(each={"n": rows}, after=[rows])
    def square(n: int) -> int:
        return n * n

    flow = FlowBuilder("both").step(lambda: None, name="first").then(rows).step(total).step(square).build()
    plan = flows.plan(flow)
    assert [step.name for step in plan.steps] == ["first", "rows", "total", "square"]
    assert plan.by_name["rows"].after == ("first",)

    overridden = flows.plan(FlowBuilder("both").step(rows, retries=2).step(total).build(), overrides={rows: [5]})
    assert [step.name for step in overridden.steps] == ["total"]
