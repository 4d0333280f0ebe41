"""Runs share limits and nothing else: context variables and providers are each run's own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import anyio
import pytest

from flowbuilder import Context, FlowBuilder, Registry, WorkflowScheduler
from tests.conftest import InLoop
from tests.scheduler.flows import single

who: ContextVar[str] = ContextVar("who", default="nobody")


def asks() -> str:
    return who.get()


async def asks_and_waits() -> str:
    before = who.get()
    await anyio.sleep(0)
    assert who.get() == before
    return before


@pytest.mark.parametrize(("body", "executor"), [(asks, "thread"), (asks, "inline"), (asks_and_waits, None)])
def test_each_run_has_the_variables_of_who_submitted_it(in_loop: InLoop, body: Any, executor: str | None) -> None:
    def flow(name: str) -> Any:
        built = FlowBuilder(name).step(body, name="first", executor=executor)
        return built.step(body, name="second", executor=executor).then(body, name="third", executor=executor).build()

    async def main() -> list[set[str]]:
        async with WorkflowScheduler(2) as scheduler:
            handles = []
            for name in ("ann", "bob", "cas") * 4:
                variables = copy_context()
                variables.run(who.set, name)
                handles.append(variables.run(scheduler.submit, flow(name)))
            handles.append(scheduler.submit(flow("main")))
            results = [(await one.wait()).raise_for_errors() for one in handles]
            return [{step.value for step in result.steps.values()} for result in results]

    assert in_loop(main) == [{"ann"}, {"bob"}, {"cas"}] * 4 + [{"nobody"}]


def test_what_a_step_sets_reaches_no_other_step_of_any_run(in_loop: InLoop) -> None:
    async def sets() -> str:
        before = who.get()
        who.set("leaked")
        await anyio.sleep(0)
        return before

    async def main() -> set[Any]:
        async with WorkflowScheduler(1) as scheduler:
            handles = [scheduler.submit(single(f"run_{n}", sets)) for n in range(20)]
            return {(await one.wait()).value["one"] for one in handles}

    assert in_loop(main) == {"nobody"}


def test_a_thread_without_variables_does_not_get_the_loops(in_loop: InLoop) -> None:
    found: list[Any] = []

    async def main() -> None:
        who.set("the loop")
        async with WorkflowScheduler() as scheduler:
            bodies: list[Any] = [asks, asks_and_waits]

            def submits() -> None:
                handles = [scheduler.submit(single("run", body)) for body in bodies]
                found.extend(one.wait_sync(10).value["one"] for one in handles)

            thread = threading.Thread(target=submits)
            thread.start()
            await anyio.to_thread.run_sync(thread.join)

    variables = copy_context()
    variables.run(who.set, "around the loop")
    variables.run(in_loop, main)
    assert found == ["nobody", "nobody"]


def test_the_context_of_a_step_is_that_of_its_own_run(in_loop: InLoop) -> None:
    async def tells(ctx: Context) -> tuple[str, str]:
        await anyio.sleep(0)
        return ctx.workflow, ctx.run_id

    async def main() -> bool:
        async with WorkflowScheduler(2) as scheduler:
            handles = [scheduler.submit(single(f"run_{n}", tells)) for n in range(10)]
            return all([(await one.wait()).value["one"] == (one.workflow, one.run_id) for one in handles])

    assert in_loop(main) is True


def test_each_run_sets_its_providers_up_and_tears_them_down_itself(in_loop: InLoop) -> None:
    flows, alive, most = Registry(), set[object](), list[int]()

    @flows.provider
    def plain() -> Iterator[object]:
        token = object()
        alive.add(token)
        yield token
        alive.remove(token)

    @flows.provider
    async def looped(plain: object) -> AsyncIterator[object]:
        await anyio.sleep(0)
        yield object()

    @flows.step
    async def first(plain: object, looped: object) -> tuple[object, object]:
        return plain, looped

    @flows.workflow
    def whole(first: tuple[object, object], plain: object, looped: object) -> tuple[object, object]:
        most.append(len(alive))
        assert first == (plain, looped)
        return first

    async def main() -> list[Any]:
        async with WorkflowScheduler() as scheduler:
            handles = [scheduler.submit(whole, registry=flows) for _ in range(6)]
            return [(await one.wait()).value for one in handles]

    values = in_loop(main)
    assert len({one for one, _ in values}) == len({one for _, one in values}) == 6
    assert max(most) > 1
    assert not alive


def test_a_provider_that_fails_fails_its_own_run_only(in_loop: InLoop) -> None:
    flows = Registry()

    @flows.provider
    def api(good: bool) -> str:
        if not good:
            raise ConnectionError("down")
        return "api"

    @flows.workflow
    def whole(api: str) -> str:
        return api

    async def main() -> list[str]:
        async with WorkflowScheduler() as scheduler:
            handles = [scheduler.submit(whole, registry=flows, params={"good": n % 2 == 0}) for n in range(6)]
            return [(await one.wait()).status for one in handles]

    assert in_loop(main) == ["success", "failed"] * 3
