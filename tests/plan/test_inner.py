"""What a body may ask to be run, and what it hears where that cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, ParallelConfig, Registry, StepResult, hookimpl, run
from flowbuilder.errors import InnerStepError
from flowbuilder.runner import Backend
from tests.conftest import Collect


def ran(body: Any, **words: Any) -> StepResult[Any]:
    """Run a step alone, and return its result."""
    built = FlowBuilder("flow").step(body, name="crawl", **words).build()
    return run(built, config=ParallelConfig(resources={"db": 4, "gpu": 1})).steps["crawl"]


def refused(body: Any, **words: Any) -> InnerStepError:
    """Run a step that asks for what cannot be, and return its error."""
    error = ran(body, **words).error
    assert isinstance(error, InnerStepError)
    return error


def add(a: int, b: int = 10) -> int:
    return a + b


def test_arguments_bind_as_in_a_call_and_defaults_stand() -> None:
    def crawl(ctx: Context) -> tuple[int, int, int]:
        return ctx.run_sync(add, 1), ctx.run_sync(add, 1, 2), ctx.run_sync(add, b=3, a=1)

    assert ran(crawl).value == (11, 3, 4)


def test_arguments_that_do_not_fit_are_an_error_that_shows_the_signature() -> None:
    def crawl(ctx: Context) -> int:
        return ctx.run_sync(add, 1, c=2)

    error = refused(crawl)
    assert error.what == "'add' cannot be called so: got an unexpected keyword argument 'c'"
    assert (error.got, error.allowed) == ("1 positional, c=", "(a: 'int', b: 'int' = 10) -> 'int'")


def test_an_argument_that_is_missing_is_an_error_that_names_it() -> None:
    def crawl(ctx: Context) -> int:
        return ctx.run_sync(add)

    error = refused(crawl)
    assert error.what == "'add' needs 'a', which is not given, and is no provider or input of this run"
    assert error.hint == "pass it: a=…"


def test_what_is_not_given_comes_from_providers_ctx_and_inputs(collect: Collect, backend: Backend) -> None:
    flows = collect("""
        from flowbuilder import provider, step

        @provider
        def base():
            yield "base"

        @provider(scope="step")
        def client(base):
            yield f"client of {base}"

        def fetch(url, client, depth, ctx):
            return url, client, depth, ctx.step

        @step
        async def crawl(ctx, depth: int):
            return await ctx.run(fetch, "u")
    """)
    result = run("crawl", registry=flows, params={"depth": 3}, backend=backend)
    assert result.value == ("u", "client of base", 3, "crawl/fetch")


def test_nothing_comes_from_a_step(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step
        def rows():
            return [1]

        def count(rows):
            return len(rows)

        @step
        def crawl(ctx):
            return ctx.run_sync(count)
    """)
    error = run("crawl", registry=flows).errors[0]
    assert isinstance(error, InnerStepError)
    assert error.what == "'count' needs 'rows', which is a step"
    assert error.hint == "what a body runs gets nothing from steps; request it and pass it on: rows=…"


@pytest.mark.parametrize(("words", "hint"), [({"each": {"n": [1]}}, "ctx.map"), ({"when": lambda: True}, "if")])
def test_words_that_are_for_plans_are_refused(words: Any, hint: str) -> None:
    flows = Registry()

    @flows.step(**words)
    def one(n: int = 0) -> int:
        return n

    def crawl(ctx: Context) -> int:
        return ctx.run_sync(one, n=1)

    assert refused(crawl).hint == f"a body says it in Python: {hint}"


def test_an_inline_body_cannot_wait() -> None:
    def crawl(ctx: Context) -> int:
        return ctx.run_sync(add, 1)

    error = refused(crawl, executor="inline")
    assert (
        error.what == "'crawl' cannot run others: it runs on the loop's own thread, where waiting would stop everything"
    )


def test_a_process_body_has_neither_others_nor_state(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step(executor="process")
        def crawl(ctx):
            ctx.progress(1, 2)
            found = []
            for ask in (lambda: ctx.run_sync(int), lambda: ctx.state):
                try:
                    ask()
                except Exception as error:
                    found.append(error.what)
            return found
    """)
    assert run("crawl", registry=flows).value == [
        "this step cannot run others: it runs in a worker process",
        "this step shares no state: it runs in a worker process",
    ]


def test_each_kind_of_body_hears_of_its_own_words() -> None:
    def plainly(ctx: Context) -> Any:
        return ctx.run(add, 1)

    async def asynchronously(ctx: Context) -> Any:
        return ctx.map_sync(add, [1])

    assert refused(plainly).hint == "use: ctx.run_sync(…), ctx.map_sync(…)"
    assert refused(asynchronously).hint == "use: await ctx.run(…), await ctx.map(…)"


@pytest.mark.parametrize("limit", [0, -1, True, "2"])
def test_a_limit_is_a_count(limit: Any) -> None:
    def crawl(ctx: Context) -> Any:
        return ctx.map_sync(add, [1], limit=limit)

    assert refused(crawl).what == "limit= takes how many run at once"


# Resources.


def test_inside_a_holder_only_what_it_holds_may_be_requested(backend: Backend) -> None:
    flows = Registry()

    @flows.step(resources={"db": 2})
    def query(n: int) -> int:
        return n

    @flows.step(resources={"gpu": 1})
    def train() -> None: ...

    def crawl(ctx: Context) -> list[int]:
        return ctx.map_sync(query, range(3))

    def greedy(ctx: Context) -> None:
        ctx.run_sync(train)

    assert ran(crawl, resources={"db": 2}).value == [0, 1, 2]
    error = refused(greedy, resources={"db": 2})
    assert error.what == "'train' needs more of 'gpu' than the body that runs it holds"
    assert (error.got, error.allowed) == ("1", "db=2")


# State and progress.


def test_state_is_shared_by_all_bodies_and_updated_in_one_go(backend: Backend) -> None:
    def count(n: int, ctx: Context) -> None:
        ctx.state.update("count", lambda count: (count or 0) + n)

    def crawl(ctx: Context) -> int:
        ctx.map_sync(count, range(100))
        ctx.state["seen"] = True
        assert list(ctx.state) == ["count", "seen"]
        return int(ctx.state["count"])

    built = FlowBuilder("flow").step(crawl).build()
    assert run(built, backend=backend).steps["crawl"].value == sum(range(100))


def test_progress_is_told_now_and_then_and_at_the_end() -> None:
    told: list[tuple[float, float | None]] = []

    class Plugin:
        @hookimpl
        def flowbuilder_step_progress(self, done: float, total: float | None) -> None:
            told.append((done, total))

    def crawl(ctx: Context) -> None:
        for n in range(1, 101):
            ctx.progress(n, 100)

    run(FlowBuilder("flow").step(crawl).build(), plugins=[Plugin()]).raise_for_errors()
    assert (told[0], told[-1]) == ((1, 100), (100, 100))
    assert len(told) < 50


def test_items_may_come_from_a_generator_without_a_length() -> None:
    def numbers() -> Iterator[int]:
        yield from range(3)

    def crawl(ctx: Context) -> list[int]:
        return ctx.map_sync(add, numbers(), b=1)

    assert ran(crawl).value == [1, 2, 3]
