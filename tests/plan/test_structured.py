"""Structured values: JSON becomes records and models, or an error that names the field."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pydantic
import pytest

from flowbuilder.plan.given import Text
from tests.plan.samples import Checked, Client, Machine, Model, Part, Point, Wheel, read, refused


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ('{"name": "a"}', Machine, Machine("a")),
        (
            '{"name": "a", "parts": [{"name": "b", "file": "c"}], "built": "2024-05-31"}',
            Machine,
            Machine("a", [Part("b", Path("c"))], date(2024, 5, 31)),
        ),
        ('[{"name": "a"}]', list[Part], [Part("a")]),
        ('{"k": {"name": "a"}}', dict[str, Part], {"k": Part("a")}),
        ('{"name": "a"}', Part | None, Part("a")),
        ('{"size": "4"}', Wheel, {"size": 4}),
        ("[1, 2]", Point, Point(1, 2)),
        ('{"name": "a", "size": "2"}', Model, Model(name="a", size=2)),
        ('[{"name": "a"}]', list[Model], [Model(name="a")]),
        ('{"size": 2}', Checked, Checked(size=2)),
    ],
)
def test_json_becomes_a_structured_value(text: str, annotation: object, value: object) -> None:
    assert read(text, annotation) == value


def test_a_pydantic_secret_is_read_from_plain_text() -> None:
    made = read("hunter2", pydantic.SecretStr)
    assert isinstance(made, pydantic.SecretStr)
    assert made.get_secret_value() == "hunter2"


def test_an_unmade_record_is_refused_with_its_reason() -> None:
    @dataclass
    class Holder:
        client: Client

    assert "client" in str(refused(Text('{"client": 1}', "-P"), Holder))


@pytest.mark.usefixtures("unmeasured")
def test_neither_msgspec_nor_pydantic_loads_for_simple_types() -> None:
    code = (
        "import sys; from flowbuilder.plan.convert import Text, converted\n"
        "assert converted('x', Text('[1]', '-P'), list[int], None) == [1]\n"
        "assert not {'msgspec', 'pydantic', 'decimal', 'tomllib', 'networkx'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@dataclass
class Shelf:
    by_name: dict[str, Part]
    spare: Part | None = None
    rows: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"by_name": {"a": {"nam": "x"}}}', "by_name.a.nam"),
        ('{"by_name": {}, "rows": [{"nam": "x"}]}', "rows.0.nam"),
    ],
)
def test_a_slip_deep_in_a_record_names_its_place(text: str, field: str) -> None:
    assert f"there is no field '{field}'" in str(refused(Text(text, "-P"), Shelf))


def test_a_record_in_a_record_may_be_missing() -> None:
    assert read('{"by_name": {"a": {"name": "x"}}, "spare": null}', Shelf) == Shelf({"a": Part("x")})
