"""Retry says which errors are worth another attempt, and how long apart attempts are."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given, strategies as st

from flowbuilder import Retry
from flowbuilder.errors import DefinitionError


def test_n_counts_the_attempts_after_the_first() -> None:
    retry = Retry(2)
    assert [retry.wants(ValueError(), attempt) for attempt in (1, 2, 3)] == [True, True, False]


def test_only_the_named_errors_are_worth_another_attempt() -> None:
    retry = Retry(1, on=(OSError,))
    assert retry.wants(ConnectionError(), 1)
    assert retry.wants(TimeoutError(), 1)
    assert not retry.wants(ValueError(), 1)


def test_one_error_type_may_stand_alone() -> None:
    assert Retry(1, on=OSError).on == (OSError,)  # type: ignore[arg-type]  # taken kindly


def test_delays_grow_up_to_the_longest() -> None:
    retry = Retry(5, delay=1.0, backoff=2.0, max_delay=5.0)
    assert [retry.seconds_before(attempt, Random(0)) for attempt in range(2, 7)] == [1, 2, 4, 5, 5]


def test_a_delay_of_nothing_stays_nothing() -> None:
    assert Retry(9, backoff=3.0).seconds_before(9, Random(0)) == 0


@given(
    n=st.integers(2, 10_000),
    delay=st.floats(0, 1e6),
    backoff=st.floats(1, 1e6),
    most=st.floats(0, 1e6),
    jitter=st.floats(0, 1e6),
)
def test_no_delay_is_longer_than_the_longest_and_the_jitter(
    n: int, delay: float, backoff: float, most: float, jitter: float
) -> None:
    retry = Retry(n, delay=delay, backoff=backoff, max_delay=most, jitter=jitter)
    seconds = retry.seconds_before(n, Random(1))
    assert 0 <= seconds <= most + jitter
    assert seconds == retry.seconds_before(n, Random(1))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"delay": -1}, "Retry(delay=…) is too small\n  got: -1\n  allowed: 0 or more"),
        ({"delay": "1"}, "Retry(delay=…) takes a number\n  got: '1'\n  allowed: 0 or more"),
        ({"backoff": 0.5}, "Retry(backoff=…) is too small\n  got: 0.5\n  allowed: 1 or more"),
        ({"max_delay": float("nan")}, "Retry(max_delay=…) takes a number\n  got: nan\n  allowed: 0 or more"),
        ({"jitter": float("inf")}, "Retry(jitter=…) takes a number\n  got: inf\n  allowed: 0 or more"),
        ({"on": ()}, "Retry(on=…) takes exception types\n  got: ()\n  allowed: a tuple such as (OSError,)"),
        ({"on": "OS"}, "Retry(on=…) takes exception types\n  got: 'OS'\n  allowed: a tuple such as (OSError,)"),
        ({"on": (1,)}, "Retry(on=…) takes exception types\n  got: (1,)\n  allowed: a tuple such as (OSError,)"),
        ({"n": -1}, ("Retry(n=…) takes a whole number of extra attempts\n  got: -1"
         "\n  allowed: 0 to 10000, or Retry(n, delay=…, backoff=…, on=(OSError,))")),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(words: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Retry(**{"n": 1, **words})
    assert str(caught.value) == text
