"""The expressions of ``-k`` and ``-m``: what they mean, and where a wrong one is wrong."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from flowbuilder.cli.expression import parse_expression
from flowbuilder.errors import SettingsError

WORDS = ("a", "b", "c")
expressions = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.one_of(
        inner.map("not {}".format),
        inner.map("({})".format),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join),
    ),
    max_leaves=12,
)


@given(text=expressions, true=st.sets(st.sampled_from(WORDS)))
def test_an_expression_means_what_it_means_in_python(text: str, true: set[str]) -> None:
    expected = bool(eval(text, {}, {word: word in true for word in WORDS}))  # here alone: a reference to compare with
    assert parse_expression("-k", text)(true.__contains__) is expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the expression of -k is empty (column 1)\n  got: nothing\n  allowed: words, and, or, not, parentheses"),
        ("a and (", "the expression of -k ends too early (column 8)\n  got: a and (⟨here⟩"),
        ("a b", "the expression of -k has 'b' where 'and', 'or' or its end is expected (column 3)\n  got: a ⟨here⟩b"),
        ("or a", "the expression of -k has 'or' where a word is expected (column 1)\n  got: ⟨here⟩or a"),
        ("(a", "the expression of -k lacks a closing parenthesis (column 3)\n  got: (a⟨here⟩"),
        ("a)", "the expression of -k has ')' where 'and', 'or' or its end is expected (column 2)\n  got: a⟨here⟩)"),
        ("not", "the expression of -k ends too early (column 4)\n  got: not⟨here⟩"),
        ("a" * 1001, "the expression of -k has more than 1000 characters"),
    ],
)
def test_a_wrong_expression_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_expression("-k", text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["(" * 400 + "a" + ")" * 400, "(" * 999])
def test_deep_parentheses_are_refused_and_not_descended_into(text: str) -> None:
    with pytest.raises(SettingsError, match="more than 50 levels of parentheses"):
        parse_expression("-m", text)


@given(st.text(max_size=200))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        expression = parse_expression("-k", text)
    except SettingsError as error:
        assert len(str(error)) < 2000
    else:
        assert expression(lambda word: word in text) in (True, False)
