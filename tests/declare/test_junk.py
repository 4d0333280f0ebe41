"""Whatever is given to a decorator is taken, or refused in printable words with an error of FlowBuilder."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from flowbuilder import FlowBuilder, FlowBuilderError, ParallelConfig, Registry, Retry
from flowbuilder.declare.decorators import make_provider, make_step, make_workflow


class Hostile:
    """Raises at every question."""

    def __repr__(self) -> str:
        raise ValueError("\x1b[31m")

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("not comparable")

    def __hash__(self) -> int:
        raise RuntimeError("not hashable")

    def __bool__(self) -> bool:
        raise RuntimeError("neither true nor false")

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")


class Ghost:
    """Has every attribute, and is callable."""

    def __getattr__(self, name: str) -> Any:
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self


def function(a: int = 1, *, b: str = "") -> None: ...


async def coroutine(a: int) -> None: ...


TEXT = st.text(st.characters(), max_size=12)
SIMPLE = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | TEXT
    | st.binary(max_size=4)
    | st.complex_numbers()
    | st.timedeltas()
    | st.decimals()
    | st.sampled_from(
        [
            *(function, coroutine, print, len, int, Hostile, object(), Ellipsis, NotImplemented),
            *(Registry().step(name="known")(lambda: 1), Registry().provider(name="api")(lambda: 1)),
            *(Retry(1), ParallelConfig(), datetime.date.today(), decimal.Decimal("NaN"), range(3), iter([])),
            *("fail", "continue", "process", "thread", "inline", "loop", "a", "b", "known"),
        ]
    )
    | st.builds(Hostile)
    | st.builds(Ghost)
)
KEYS = st.sampled_from(["a", "b", "c"]) | TEXT | st.integers() | st.none()
VALUES = st.recursive(
    SIMPLE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(KEYS, inner, max_size=3)
        | st.frozensets(st.integers() | TEXT, max_size=3)
    ),
    max_leaves=6,
)
STEP_WORDS = ["name", "needs", "after", "each", "when", "retries", "timeout", "executor", "on_error", "tags"]
FUNCTIONS = st.sampled_from([function, coroutine]) | SIMPLE


def taken_or_refused(declare: Callable[[], object]) -> None:
    try:
        declare()
    except FlowBuilderError as error:
        text = str(error)
        assert len(text) <= 2048
        assert all(line.isprintable() for line in text.splitlines())
        assert error.what


@settings(max_examples=300)
@given(fn=FUNCTIONS, words=st.dictionaries(st.sampled_from([*STEP_WORDS, "until"]) | TEXT, VALUES, max_size=3))
def test_any_words_of_a_step(fn: Any, words: dict[str, Any]) -> None:
    taken_or_refused(lambda: make_step(fn, None, **words))


@given(
    fn=FUNCTIONS,
    words=st.dictionaries(st.sampled_from(["name", "priority", "steps", "config", "tags"]) | TEXT, VALUES, max_size=3),
)
def test_any_words_of_a_workflow(fn: Any, words: dict[str, Any]) -> None:
    taken_or_refused(lambda: make_workflow(fn, None, **words))


@given(fn=FUNCTIONS, words=st.dictionaries(st.just("name") | TEXT, VALUES, max_size=2))
def test_any_words_of_a_provider(fn: Any, words: dict[str, Any]) -> None:
    taken_or_refused(lambda: make_provider(fn, None, **words))


@given(fn=FUNCTIONS, word=st.sampled_from(["step", "workflow", "provider"]), name=VALUES)
def test_anything_decorated(fn: Any, word: str, name: Any) -> None:
    taken_or_refused(lambda: getattr(Registry(), word)(name=name)(fn))


@given(
    name=VALUES,
    steps=st.lists(st.tuples(FUNCTIONS, st.dictionaries(st.sampled_from(STEP_WORDS), VALUES, max_size=2)), max_size=4),
)
def test_any_builder(name: Any, steps: list[tuple[Any, dict[str, Any]]]) -> None:
    def build() -> None:
        builder = FlowBuilder(name)
        for number, (fn, words) in enumerate(steps):
            builder.step(fn, **{"name": f"s{number}", **words})
        Registry().plan(builder.build(), params={"a": 1})

    taken_or_refused(build)


@given(st.dictionaries(st.sampled_from(["n", "delay", "backoff", "max_delay", "jitter", "on"]), VALUES, max_size=4))
def test_any_retry(words: dict[str, Any]) -> None:
    taken_or_refused(lambda: Retry(**{"n": 1, **words}))


@given(st.dictionaries(st.sampled_from([*ParallelConfig.__dataclass_fields__]), VALUES, max_size=4))
def test_any_config(words: dict[str, Any]) -> None:
    taken_or_refused(lambda: ParallelConfig(**words))


@pytest.mark.parametrize("word", ["params", "overrides"])
@given(value=VALUES)
def test_any_values_of_a_plan(word: str, value: Any) -> None:
    flow = FlowBuilder("one").step(function).build()
    taken_or_refused(lambda: Registry().plan(flow, **{word: value}))
