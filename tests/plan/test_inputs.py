"""An input takes its value from what is given, else from its default; an input with neither stops the plan."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flowbuilder import Context, FlowBuilder, Registry, Secret, Until
from flowbuilder.declare.definitions import WorkflowDefinition
from flowbuilder.errors import InputError, PlanError
from flowbuilder.plan.build import PlanOptions
from flowbuilder.plan.given import Given, Text
from flowbuilder.plan.pieces import PlannedInput

if TYPE_CHECKING:
    from decimal import Decimal

FILE = __file__


class Mode(enum.Enum):
    FAST = 1


def load(root: Path, limit: int = 3) -> list[str]:
    return [str(root)] * limit


def check(root: Path) -> None: ...


def measure(path: Path) -> int:
    return 1


def priced(price: Decimal) -> None: ...


def one(fn: Any, **words: Any) -> WorkflowDefinition:
    return FlowBuilder("flow").step(fn, **words).build()


def inputs(flow: WorkflowDefinition, params: Mapping[str, Any] | None = None) -> Mapping[str, PlannedInput]:
    return Registry().plan(flow, params).inputs


def refused(flow: WorkflowDefinition, params: Mapping[str, Any] | None = None) -> str:
    with pytest.raises(InputError) as caught:
        Registry().plan(flow, params)
    return str(caught.value)


def place(fn: Any) -> str:
    return f"{FILE}:{fn.__code__.co_firstlineno}"


def test_an_input_says_value_origin_type_and_who_asks() -> None:
    found = inputs(FlowBuilder("flow").step(load).step(check).build(), {"root": Text("src", "-P")})
    root, limit = found["root"], found["limit"]
    assert (root.value, root.origin, root.annotation) == (Path("src"), "-P", Path)
    assert (root.requested_by, str(root.where)) == (("load", "check"), place(load))
    assert (limit.value, limit.origin, limit.annotation) == (3, "default", int)


def test_values_come_from_code_files_and_text() -> None:
    flow = one(load)
    assert inputs(flow, {"root": Path("a")})["root"].origin == "params="
    assert inputs(flow, {"root": "a", "limit": Given(5, "--params p.json")})["limit"].value == 5
    assert inputs(flow, {"root": "a", "limit": Text("7", "environment")})["limit"].value == 7


def test_a_value_for_what_is_no_input_is_refused_with_the_nearest() -> None:
    assert refused(one(load), {"rot": Text("src", "-P")}) == (
        "there is no input named 'rot'\n  got: 'src'\n  allowed: root, limit\n  hint: did you mean 'root'?"
    )
    assert refused(one(lambda: 1, name="one"), {"root": 5}) == (
        "there is no input named 'root'\n  got: 5\n  allowed: this workflow has no inputs"
    )


def test_a_value_for_a_step_hints_at_overrides() -> None:
    assert refused(one(load), {"load": 5}) == (
        "there is no input named 'load': it is a step or provider\n  got: 5\n  allowed: root, limit"
        "\n  hint: use overrides= to replace a step's value"
    )


def test_an_enum_member_given_for_no_input_is_shown_as_it_is() -> None:
    assert "got: <Mode.FAST: 1>" in refused(one(load), {"mode": Mode.FAST})


def test_a_secret_given_for_no_input_is_not_shown() -> None:
    assert "got: ***" in refused(one(load), {"api_token": "hunter2"})


def test_the_environment_may_hold_values_for_other_workflows() -> None:
    assert list(inputs(one(load), {"root": "a", "other": Text("x", "environment")})) == ["root", "limit"]


def test_unknown_values_may_be_allowed() -> None:
    plan = Registry().plan(one(load), {"root": "a", "other": 1}, options=PlanOptions(allow_unknown=True))
    assert list(plan.inputs) == ["root", "limit"]


def test_an_input_without_a_value_names_who_needs_it_and_what_to_type() -> None:
    flow = FlowBuilder("flow").step(load, name="loaded").step(measure).build()
    assert refused(flow) == (
        f"'loaded' needs 'root', which is no step or provider in scope and an input without a value ({place(load)})"
        "\n  hint: give it a value: -P root=… -P path=…, params={'root': …}, or a default"
    )


def test_an_input_that_looks_like_a_step_hints_at_it() -> None:
    flow = FlowBuilder("flow").step(measure, name="paths").step(lambda pahts: 1, name="total").build()
    assert refused(flow, {"path": Path()}).endswith(
        "\n  hint: give it a value: -P pahts=…, params={'pahts': …}, or a default; or did you mean 'paths'?"
    )


def test_all_missing_inputs_are_told_of_though_one_has_nearly_the_name_of_a_step() -> None:
    flow = FlowBuilder("flow").step(lambda: 1, name="ledger").step(lambda leger, month: 1, name="total").build()
    assert refused(flow).endswith(
        "\n  hint: give it a value: -P leger=… -P month=…, params={'leger': …}, or a default;"
        " or did you mean 'ledger' by 'leger'?"
    )


def test_a_context_under_another_name_is_meant_to_be_ctx() -> None:
    def total(ctxt: Context) -> None: ...

    assert refused(one(total)).endswith("\n  hint: did you mean 'ctx'?")


def test_a_missing_secret_is_given_by_the_environment_and_not_on_the_command_line() -> None:
    def send(to: str, key: Secret[str]) -> None: ...

    assert refused(one(send)).endswith(
        "\n  hint: give it a value: -P to=…, FLOWBUILDER_PARAM_KEY=… in the environment, params={'to': …}, or a default"
    )


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ({"undo": lambda reslt: None}, "result"),
        ({"until": Until(lambda rsult: True)}, "result"),
        ({"until": Until(lambda previus: True)}, "previous"),
        ({"on_error": lambda eror: None}, "error"),
    ],
)
def test_what_a_function_beside_the_body_is_given_is_hinted_at(words: dict[str, Any], meant: str) -> None:
    flow = FlowBuilder("flow").step(lambda: 1, name="made", **words).build()
    assert refused(flow).endswith(f"\n  hint: did you mean '{meant}'?")


def test_a_value_given_under_a_name_like_it_is_told_of() -> None:
    with pytest.raises(InputError) as caught:
        Registry().plan(one(check), {"rot": 1, "other": 2}, options=PlanOptions(allow_unknown=True))
    assert str(caught.value).splitlines()[1:] == [
        "  got: a value for 'rot'",
        "  hint: give it a value: -P root=…, params={'root': …}, or a default",
    ]


def test_one_without_a_default_needs_a_value_though_another_has_one() -> None:
    flow = FlowBuilder("flow").step(lambda root="here": root, name="a").step(check).build()
    assert "'check' needs 'root'" in refused(flow)
    assert inputs(flow, {"root": "x"})["root"].value == Path("x")


def test_a_missing_input_is_shown_where_nothing_runs() -> None:
    plan = Registry().plan(one(load), options=PlanOptions(lenient=True))
    assert plan.inputs["root"].origin == "missing"
    assert plan.params == {"limit": 3}


def test_a_value_of_the_wrong_type_is_refused_naming_the_place() -> None:
    assert refused(one(load), {"root": "a", "limit": Text("many", "-P")}) == (
        f"the input 'limit' cannot be read as int ({place(load)})"
        "\n  got: 'many' (-P)\n  allowed: a whole number, as in 5"
    )
    assert refused(one(load), {"root": 5}) == f"the input 'root' must be Path ({place(load)})\n  got: 5 (int)"


def test_an_input_used_with_two_types_is_refused_naming_both() -> None:
    def other(root: str) -> None: ...

    flow = FlowBuilder("flow").step(load).step(other).build()
    assert refused(flow, {"root": "a"}) == (
        f"the input 'root' is used with two types ({place(other)})"
        f"\n  got: Path in 'load' ({place(load)}), str here\n  hint: annotate both alike, or rename one"
    )


def test_the_one_annotated_request_says_the_type() -> None:
    flow = FlowBuilder("flow").step(lambda root: root, name="bare").step(check).build()
    assert inputs(flow, {"root": Text("a", "-P")})["root"].value == Path("a")


def test_text_for_an_annotation_that_stands_for_nothing_is_refused() -> None:
    assert refused(one(priced), {"price": Text("9.99", "-P")}) == (
        "the input 'price' cannot be read: its annotation 'Decimal' stands for nothing"
        f" ({place(priced)})\n  got: '9.99' (-P)\n  hint: import the name also at run time, not only for type checkers"
    )
    assert inputs(one(priced), {"price": 9.99})["price"].value == 9.99


def test_a_predicates_own_input_has_its_own_type_and_default() -> None:
    def is_wanted(mode: int = 1) -> bool:
        return mode > 0

    flow = one(load, when=is_wanted)
    assert inputs(flow, {"root": "a"})["mode"].value == 1
    assert inputs(flow, {"root": "a", "mode": Text("5", "-P")})["mode"].value == 5


def test_an_input_to_map_over_is_a_list_of_what_the_parameter_takes() -> None:
    flow = one(measure, each={"path": "paths"})
    assert inputs(flow, {"paths": Text("a,b", "-P")})["paths"].value == [Path("a"), Path("b")]
    assert inputs(flow, {"paths": (Path("a"),)})["paths"].value == (Path("a"),)
    assert inputs(flow, {"paths": []})["paths"].annotation == list[Path]


def test_an_input_to_map_over_without_a_type_is_a_list_of_text() -> None:
    flow = one(lambda path: path, name="measure", each={"path": "paths"})
    assert inputs(flow, {"paths": Text("a, b", "-P")})["paths"].value == ["a", "b"]


def test_whoever_takes_the_whole_list_says_its_type() -> None:
    def count(paths: tuple[str, ...]) -> None: ...

    flow = FlowBuilder("flow").step(measure, each={"path": "paths"}).step(count).build()
    assert inputs(flow, {"paths": Text("a,b", "-P")})["paths"].value == ("a", "b")


@pytest.mark.parametrize("value", ["ab", b"ab", 5, None, {1, 2}, {"a": 1}, iter([1])])
def test_what_is_no_list_cannot_be_mapped_over(value: object) -> None:
    with pytest.raises(InputError) as caught:
        Registry().plan(one(lambda path: path, name="measure", each={"path": "paths"}), {"paths": value})
    text = str(caught.value)
    assert text.startswith("'measure' is called once per item of 'paths', which is no list")


def test_items_of_the_wrong_type_are_refused() -> None:
    text = refused(one(measure, each={"path": "paths"}), {"paths": [Path("a"), 5]})
    assert text == f"the input 'paths' must be list[pathlib.Path] ({place(measure)})\n  got: [PosixPath('a'), 5] (list)"


def test_a_missing_input_to_map_over_is_named() -> None:
    assert "'measure' needs 'paths'" in refused(one(measure, each={"path": "paths"}))


@pytest.mark.parametrize("word", ["params", "overrides"])
def test_values_are_given_as_a_dict(word: str) -> None:
    with pytest.raises(PlanError) as caught:
        Registry().plan(one(load), **{word: ["root"]})  # type: ignore[arg-type]  # that is the point
    assert str(caught.value) == f"{word}= takes a dict\n  got: ['root']\n  allowed: {{\"name\": value}}"


def test_a_default_beside_a_step_of_nearly_the_same_name_is_doubtful() -> None:
    def measures() -> list[int]:
        return [1]

    def total(mesures: tuple[int, ...] = ()) -> int:
        return sum(mesures)

    builder = FlowBuilder("flow").step(measures).step(total)
    warning = f"total: the parameter 'mesures' is an input with a default; did you mean 'measures'? ({place(total)})"
    assert Registry().plan(builder.build()).warnings == (warning,)
    assert Registry().plan(builder.build(), params={"mesures": (1,)}).warnings == ()


def test_a_default_is_not_doubtful_where_the_step_is_requested_too() -> None:
    builder = FlowBuilder("flow").step(lambda: [1], name="rows").step(lambda rows, row=1: row, name="first")
    builder.step(lambda row_s, rows_=1: row_s, name="each_row", each={"row_s": "rows"})
    assert Registry().plan(builder.build()).warnings == ()
