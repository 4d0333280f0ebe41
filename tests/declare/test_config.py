"""ParallelConfig is frozen, checked at once, and each ``with_…`` gives a new one."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta
from typing import Any

import pytest

from flowbuilder import ParallelConfig
from flowbuilder.errors import DefinitionError

AT_ONCE = '1 to 100000, "auto", or None'


def test_each_with_gives_a_new_config_and_leaves_the_first() -> None:
    first = ParallelConfig()
    chained = (
        first.with_max_concurrency(4)
        .with_step_timeout(timedelta(minutes=1))
        .with_fail_fast()
        .with_batch_size(10)
        .with_schedule("batches")
    )
    assert first == ParallelConfig()
    assert chained == ParallelConfig(
        max_concurrency=4, step_timeout=60.0, fail_fast=True, batch_size=10, schedule="batches"
    )
    assert chained.with_fail_fast(False).fail_fast is False


def test_a_config_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        ParallelConfig().fail_fast = True  # type: ignore[misc]  # that is the point


def test_a_batch_size_implies_batches() -> None:
    assert ParallelConfig(batch_size=3).in_batches
    assert ParallelConfig(schedule="batches").in_batches
    assert not ParallelConfig().in_batches


def test_fail_fast_allows_one_failure() -> None:
    assert ParallelConfig().failures_allowed is None
    assert ParallelConfig(max_failures=3).failures_allowed == 3
    assert ParallelConfig(max_failures=3, fail_fast=True).failures_allowed == 1


def test_one_config_is_put_over_another_where_it_says_something() -> None:
    over = ParallelConfig(fail_fast=True, grace=1.0).over(ParallelConfig(max_concurrency=2, grace=5.0))
    assert over == ParallelConfig(max_concurrency=2, fail_fast=True, grace=1.0)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ({"max_concurrency": 0}, f"max_concurrency= takes a whole number\n  got: 0\n  allowed: {AT_ONCE}"),
        ({"max_concurrency": ""}, f"max_concurrency= takes a whole number\n  got: ''\n  allowed: {AT_ONCE}"),
        ({"max_failures": -1}, "max_failures= takes a whole number\n  got: -1\n  allowed: 1 to 10000000, or None"),
        ({"batch_size": 1.5}, "batch_size= takes a whole number\n  got: 1.5\n  allowed: 1 to 10000000, or None"),
        ({"step_timeout": 0}, ("step_timeout= takes seconds above 0 or a timedelta\n  got: 0"
         "\n  allowed: 2.5, timedelta(minutes=1), or None for no limit")),
        ({"grace": -1}, "grace= is too small\n  got: -1\n  allowed: 0 or more"),
        ({"fail_fast": "yes"}, "fail_fast= takes True or False\n  got: 'yes'"),
        ({"schedule": "lazy"}, "schedule= is unknown\n  got: 'lazy'\n  allowed: \"eager\" or \"batches\""),
        ({"schedule": ["eager"]}, "schedule= is unknown\n  got: ['eager']\n  allowed: \"eager\" or \"batches\""),
    ],
)  # fmt: skip
def test_wrong_words_are_refused(words: dict[str, Any], text: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        ParallelConfig(**words)
    assert str(caught.value) == text
