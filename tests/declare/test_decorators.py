"""A decorator returns the very function it was given, and refuses what cannot be a step in its own words."""

from __future__ import annotations

import asyncio
import functools
import inspect
import pickle
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flowbuilder import FlowBuilderError, Registry, provider, registry, step, workflow
from flowbuilder.declare.decorators import make_provider, make_step, make_workflow
from flowbuilder.declare.definitions import ATTRIBUTE, definition_of
from flowbuilder.errors import DefinitionError

HERE = Path(__file__)


def load(path: str, limit: int = 3) -> list[str]:
    """Load the rows.

    More of it.
    """
    return [path] * limit


class Loader:
    def load(self, path: str) -> str:
        return path

    def __call__(self, path: str) -> str:
        return path


def line_of(fn: Callable[..., Any]) -> int:
    return inspect.unwrap(fn).__code__.co_firstlineno  # type: ignore[no-any-return]  # a code object's own attribute


@pytest.mark.parametrize("word", ["step", "workflow", "provider"])
def test_a_decorator_returns_the_very_function(word: str) -> None:
    def plain(path: str) -> str:
        return path

    before = dict(vars(plain))
    assert getattr(Registry(), word)(plain) is plain
    assert {**before, ATTRIBUTE: definition_of(plain)} == vars(plain)
    assert plain("a") == "a"


@pytest.mark.parametrize("word", ["step", "workflow", "provider"])
def test_bare_and_called_decorators_declare_the_same(word: str) -> None:
    decorate = getattr(Registry(), word)

    def bare() -> None: ...

    def called() -> None: ...

    decorate(bare)
    assert decorate()(called) is called
    assert type(definition_of(bare)) is type(definition_of(called))


def test_bare_decorators_of_the_package_collect_into_the_default_registry() -> None:
    @step
    def decorated_here() -> None: ...

    @workflow
    def started_here() -> None: ...

    @provider
    def opened_here() -> None: ...

    place = registry.at(__name__, test_bare_decorators_of_the_package_collect_into_the_default_registry.__qualname__)
    assert list(place) == ["decorated_here", "started_here", "opened_here"]


def test_a_definition_says_name_place_summary_and_parameters() -> None:
    definition = make_step(load)
    assert definition.name == "load"
    assert (definition.where.file, definition.where.line) == (str(HERE), line_of(load))
    assert definition.summary == "Load the rows."
    assert [(one.name, one.has_default) for one in definition.parameters] == [("path", False), ("limit", True)]
    assert (definition.module, definition.scope, definition.executor) == (__name__, "", None)


def test_a_name_replaces_the_functions_name() -> None:
    flows = Registry()
    flows.step(name="数据处理")(lambda: 1)
    assert list(flows.steps) == ["数据处理"]


def test_a_decorated_function_pickles_by_reference() -> None:
    assert pickle.loads(pickle.dumps(module_level)) is module_level


@Registry().step(retries=2)
def module_level() -> int:
    return 1


def test_an_async_def_runs_on_the_loop() -> None:
    async def fetch() -> None: ...

    assert (make_step(fetch).executor, make_step(fetch).is_async) == ("loop", True)


def test_a_decorator_that_made_a_function_async_is_seen() -> None:
    @functools.wraps(load)
    async def later(path: str, limit: int = 3) -> list[str]:
        await asyncio.sleep(0)
        return load(path, limit)

    assert make_step(later).is_async
    assert [one.name for one in make_step(later).parameters] == ["path", "limit"]


def test_a_partial_is_a_step_whose_bound_arguments_are_settled() -> None:
    by_name = make_step(functools.partial(load, path="orders"), name="orders")
    by_place = make_step(functools.partial(load, "orders"), name="orders")
    assert [one.name for one in by_name.parameters] == [one.name for one in by_place.parameters] == ["limit"]
    assert by_name.summary == "Load the rows."


def test_a_partial_is_written_where_it_is_wrapped() -> None:
    flows = Registry()
    flows.step(name="orders")(functools.partial(load, "orders"))
    line = inspect.currentframe().f_lineno - 1  # type: ignore[union-attr]  # CPython has frames
    assert str(flows.steps["orders"].where) == f"{HERE}:{line}"
    assert flows.steps["orders"].scope == "test_a_partial_is_written_where_it_is_wrapped"


def test_one_function_serves_many_steps_by_partials() -> None:
    flows = Registry()
    for table in ("orders", "users"):
        flows.step(name=f"load_{table}")(functools.partial(load, table))
    assert list(flows.steps) == ["load_orders", "load_users"]


def test_a_bound_method_and_a_named_lambda_are_steps_of_a_builder() -> None:
    assert [one.name for one in make_step(Loader().load).parameters] == ["path"]
    assert make_step(lambda: 1, name="one").name == "one"


def test_a_provider_may_be_a_generator_of_either_colour() -> None:
    def plain() -> Iterator[int]:
        yield 1

    async def later() -> AsyncIterator[int]:
        yield 1

    assert (make_provider(plain).is_generator, make_provider(plain).is_async) == (True, False)
    assert (make_provider(later).is_generator, make_provider(later).is_async) == (True, True)


def endless() -> Any:
    """Return a wrapper whose ``__wrapped__`` never ends."""

    def wrapper() -> None: ...

    wrapper.__wrapped__ = wrapper  # type: ignore[attr-defined]  # that is the point
    return wrapper


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


def lost(*args: Any, **kwargs: Any) -> Any:
    """What a decorator without functools.wraps leaves of a function."""


def lost_place(path: Any) -> None: ...


def positional(path: str, /) -> None: ...


REFUSED = [
    (
        lambda: make_step(Loader),
        "a class cannot be a step\n  got: <class '{name}.Loader'>\n  hint: decorate a function",
    ),
    (
        lambda: make_step(Loader()),
        "only a function can be a step\n  got: {loader}\n  allowed: def or async def\n  hint: wrap it in a def",
    ),
    (
        lambda: make_workflow(5),  # type: ignore[arg-type]  # that is the point
        "only a function can be a workflow\n  got: 5\n  allowed: def or async def",
    ),
    (
        lambda: make_provider(property(load)),  # type: ignore[arg-type]  # that is the point
        "only a function can be a provider\n  got: {property}\n  allowed: def or async def",
    ),
    (
        lambda: make_step("load"),  # type: ignore[arg-type]  # that is the point
        (
            "only a function can be a step\n  got: 'load'\n  allowed: def or async def"
            "\n  hint: a name is given so: @step(name='load')"
        ),
    ),
    (
        lambda: make_step(len),
        (
            "only a function can be a step\n  got: <built-in function len>\n  allowed: def or async def"
            "\n  hint: wrap it in a def"
        ),
    ),
    (
        lambda: make_step(staticmethod(load)),
        "only a function can be a step\n  got: {staticmethod}\n  allowed: def or async def\n  hint: wrap it in a def",
    ),
    (
        lambda: make_step(Loader.load),
        (
            "this is a method, and its self is not settled ({load_method})\n  got: Loader.load"
            "\n  hint: decorate a function, or use FlowBuilder.step(instance.method)"
        ),
    ),
    (
        lambda: make_step(generator),
        (
            "a step cannot be a generator: it returns one value ({generator})"
            "\n  hint: return a list, or make it a @provider if it yields an object to clean up"
        ),
    ),
    (
        lambda: make_step(async_generator),
        (
            "a step cannot be a generator: it returns one value ({async_generator})"
            "\n  hint: return a list, or make it a @provider if it yields an object to clean up"
        ),
    ),
    (
        lambda: make_workflow(generator),
        "a workflow's body cannot be a generator ({generator})\n  hint: return one value",
    ),
    (
        lambda: make_step(lost),
        (
            "parameters are filled by name, so this one cannot be used ({lost})\n  got: *args"
            "\n  allowed: ordinary and keyword-only parameters"
            "\n  hint: name each parameter, or settle it with functools.partial;"
            " if a decorator made this wrapper, give it functools.wraps(fn)"
        ),
    ),
    (
        lambda: make_step(positional),
        (
            "parameters are filled by name, so this one cannot be used ({positional})\n  got: path, /"
            "\n  allowed: ordinary and keyword-only parameters"
            "\n  hint: name each parameter, or settle it with functools.partial"
        ),
    ),
    (
        lambda: make_step(functools.partial(load)),
        'a lambda or partial has no name of its own ({load})\n  hint: give it one: name="…"',
    ),
    (
        lambda: make_step(functools.partial(lost_place, *"ab")),
        "this callable has no readable signature ({lost_place})\n  got: {partial}\n  hint: wrap it in a def",
    ),
]


@pytest.mark.parametrize(("declare", "text"), REFUSED)
def test_what_is_no_function_to_call_by_name_is_refused_in_its_own_words(
    declare: Callable[[], object], text: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        declare()
    places = {
        fn.__name__: f"{HERE}:{line_of(fn)}" for fn in (generator, async_generator, lost, lost_place, positional, load)
    }
    known = {**places, "load_method": f"{HERE}:{line_of(Loader.load)}", "name": __name__}
    seen = str(caught.value)
    got = next((line.removeprefix("  got: ") for line in seen.splitlines() if line.startswith("  got: ")), "")
    assert seen == text.format(loader=got, property=got, staticmethod=got, partial=got, **known)


def test_a_chain_of_wrappers_without_an_end_is_refused() -> None:
    with pytest.raises(DefinitionError, match="this callable has no readable signature"):
        make_step(endless())


def test_an_object_that_answers_every_question_is_no_function() -> None:
    class Anything:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("working outside of a request")

    assert definition_of(Anything()) is None
    assert definition_of(SimpleNamespace()) is None


def test_one_function_decorated_twice_names_the_first_place() -> None:
    flows = Registry()

    @flows.step
    def load() -> None: ...

    with pytest.raises(DefinitionError) as caught:
        flows.workflow(name="again")(load)
    place = f"{HERE}:{line_of(load)}"
    assert str(caught.value) == (
        f"one function is decorated twice ({place})\n  got: it already is 'load' of {place}"
        "\n  hint: use functools.partial to make several steps of one function"
    )


def test_a_callable_that_takes_no_attributes_is_refused_by_a_decorator() -> None:
    with pytest.raises(DefinitionError, match="this callable takes no attributes"):
        Registry().step(name="method")(Loader().load)


def test_every_refusal_is_an_error_of_flowbuilder() -> None:
    assert issubclass(DefinitionError, FlowBuilderError)
    assert DefinitionError("x").exit_code == 4
