"""Names are free text of any script, but for what could be taken for something else."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from flowbuilder.declare.validate import LONGEST_NAME, checked_count, checked_name, checked_number
from flowbuilder.errors import DefinitionError


@pytest.mark.parametrize(
    "name",
    [
        "load",
        "load orders",
        "数据处理",
        "Übung 1",
        "حمّل",
        "a.b",
        "CON",
        "n°1 (of 2)",
        "👩‍🚀",
        "a:b",
        "x" * LONGEST_NAME,
    ],
)
def test_a_name_is_free_text_of_any_script(name: str) -> None:
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["cafe\u0301", "売上ＡＢＣ", "\ufb01le", "ｶﾅ", "ℌ"])
def test_a_name_however_typed_is_the_one_a_parameter_has(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f"def f({name}): pass", namespace)
    (parameter,) = namespace["f"].__code__.co_varnames  # type: ignore[attr-defined]  # it is a function
    assert checked_name(name) == parameter


@pytest.mark.parametrize(
    ("name", "why", "got"),
    [
        ("", "it is empty", "''"),
        ("  ", "it is empty", "'  '"),
        (" a", "it starts or ends with white space", "' a'"),
        ("a\n", "it starts or ends with white space", "'a\\n'"),
        (".", "it starts with '.'", "'.'"),
        ("..", "it starts with '.'", "'..'"),
        ("-x", "it starts with '-'", "'-x'"),
        ("a/b", "it holds one of / \\ :: [ ]", "'a/b'"),
        ("a\\b", "it holds one of / \\ :: [ ]", "'a\\\\b'"),
        ("a::b", "it holds one of / \\ :: [ ]", "'a::b'"),
        ("a[3]", "it holds one of / \\ :: [ ]", "'a[3]'"),
        ("a\0b", "it holds a control character", "'a\\x00b'"),
        ("a\nb", "it holds a control character", "'a\\nb'"),
        ("a\x1b[31mb", "it holds one of / \\ :: [ ]", "'a\\x1b[31mb'"),
        ("a\x1bb", "it holds a control character", "'a\\x1bb'"),
        ("a\u2028b", "it holds a control character", "'a\\u2028b'"),
        ("a\u202eb", "it holds a control character", "'a\\u202eb'"),
        ("a\ud800b", "it holds a control character", "'a\\ud800b'"),
        ("x" * 300, "it has 300 characters", f"'{'x' * 118}…"),
    ],
)
def test_a_name_that_could_be_taken_for_something_else_is_refused(name: str, why: str, got: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        checked_name(name)
    assert str(caught.value) == (
        f"this name cannot be used: {why}\n  got: {got}"
        "\n  allowed: 1 to 128 printable characters without / :: [ ] and not starting with - or ."
    )


@given(st.text(st.characters(), max_size=200))
def test_any_text_is_a_name_or_refused_in_printable_words(name: str) -> None:
    try:
        checked = checked_name(name)
    except DefinitionError as error:
        assert all(line.isprintable() for line in str(error).splitlines())
    else:
        assert checked_name(checked) == checked


@pytest.mark.parametrize(
    ("value", "what"),
    [(None, "delay= takes a number"), (True, "delay= takes a number"), (-1, "delay= is too small")],
)
def test_a_number_names_its_word_and_bound(value: object, what: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        checked_number("delay=", value)
    assert str(caught.value) == f"{what}\n  got: {value!r}\n  allowed: 0 or more"


def test_a_count_is_a_whole_number_or_none() -> None:
    assert checked_count("n=", None, 10) is None
    assert checked_count("n=", 10, 10) == 10
    for wrong in (0, 11, 1.0, True, "3"):
        with pytest.raises(DefinitionError) as caught:
            checked_count("n=", wrong, 10)
        assert str(caught.value) == f"n= takes a whole number\n  got: {wrong!r}\n  allowed: 1 to 10, or None"
