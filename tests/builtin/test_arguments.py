"""What an item that failed was called with."""

from __future__ import annotations

from typing import Any

import pytest

from flowbuilder import FlowBuilder, Registry, run
from flowbuilder.builtin.arguments import arguments_of
from flowbuilder.runner import Backend
from tests.builtin.conftest import Reported

flows = Registry()


@flows.step
def files() -> list[str]:
    return ["a.txt", "b\x1b.txt"]


@flows.step(each={"path": "files", "token": ["s3cret", "t"], "n": "numbers"})
def size(path: str, token: str, n: int) -> int:
    if path == "a.txt":
        raise ValueError(path)
    return n


@flows.step(each={"n": "size"})
def half(n: int) -> float:
    raise ValueError(n)


@pytest.mark.parametrize(
    ("item", "arguments"),
    [
        ("size[0]", ["path = 'a.txt'", "token = ***", "n = 7"]),
        ("size[1]", ["path = 'b\\x1b.txt'", "token = ***", "n = 9"]),
        ("half[1]", ["n = 9"]),
        ("size[2]", []),
        ("gone[0]", []),
    ],
)
def test_the_arguments_of_an_item_come_from_what_its_step_is_mapped_over(
    item: str, arguments: list[str], backend: Backend
) -> None:
    params = {"numbers": [7, 9]}
    result = run("half", params=params, registry=flows, backend=backend)

    assert list(arguments_of(item, flows.plan("half", params), result)) == arguments


class Rows:
    """Has a length and an order, and is no list."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Any:
        return iter([1])


def test_what_cannot_be_looked_into_again_has_no_arguments() -> None:
    def rows() -> Rows:
        return Rows()

    def row(one: int) -> None:
        raise ValueError(one)

    flow = FlowBuilder("odd").step(rows).step(row, each={"one": "rows"}).build()
    assert list(arguments_of("row[0]", Registry().plan(flow), run(flow))) == []


def test_the_report_shows_them_above_the_error(reported: Reported) -> None:
    def inverse(n: int) -> float:
        return 1 / n

    lines = reported(FlowBuilder("one").step(inverse, each={"n": [1, 0]}).build()).splitlines()
    title = next(number for number, line in enumerate(lines) if line.startswith("-"))

    assert " inverse[1] " in lines[title]
    assert lines[title + 1] == "n = 0"
