"""run() and arun(): what they take, what they refuse, and what they return."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import anyio
import pytest
import sniffio

import flowbuilder
from flowbuilder import FlowBuilder, ParallelConfig, Registry, RunInfo, Status, arun, hookimpl, run
from flowbuilder.errors import (
    DefinitionError,
    FlowBuilderError,
    InputError,
    InsideLoopError,
    PluginError,
    UnknownNameError,
)
from flowbuilder.runner import Backend
from tests.conftest import InLoop


def one() -> Any:
    return FlowBuilder("one").step(lambda n=1: n, name="step").build()


def test_run_uses_the_back_end_it_is_given(backend: Backend) -> None:
    async def library() -> str:
        return sniffio.current_async_library()

    assert run(FlowBuilder("one").step(library).build(), backend=backend).value == {"library": backend}


def test_arun_uses_the_loop_that_runs(in_loop: InLoop, backend: Backend) -> None:
    async def library() -> str:
        return sniffio.current_async_library()

    async def main() -> object:
        return (await arun(FlowBuilder("one").step(library).build())).value

    assert in_loop(main) == {"library": backend}


def test_an_unknown_back_end_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(FlowBuilderError) as caught:
        run(one(), backend="curio")  # type: ignore[call-overload]  # that is the point
    assert "asyncio" in str(caught.value)
    assert "trio" in str(caught.value)


def test_run_inside_a_loop_is_an_error_that_names_arun(in_loop: InLoop) -> None:
    async def main() -> None:
        run(one())

    with pytest.raises(InsideLoopError) as caught:
        in_loop(main)
    assert str(caught.value) == (
        "run() cannot be called while an event loop runs in this thread\n  hint: use: await flowbuilder.arun(...)"
    )


def test_run_inside_a_plain_step_works_and_inside_an_async_one_names_arun(backend: Backend) -> None:
    def plain() -> object:
        return run(one(), backend=backend).value

    async def looped() -> object:
        return run(one(), backend=backend).value

    result = run(FlowBuilder("outer").step(plain).step(looped).build(), backend=backend)
    assert result.steps["plain"].value == {"step": 1}
    assert isinstance(result.steps["looped"].error, InsideLoopError)


def test_a_plain_step_may_run_a_loop_of_its_own(backend: Backend) -> None:
    async def main() -> str:
        await anyio.sleep(0)
        return sniffio.current_async_library()

    def plain() -> str:
        return anyio.run(main, backend=backend)

    flow = FlowBuilder("inner").step(plain, when=lambda: plain() == backend).build()
    assert run(flow, backend=backend).value == {"plain": backend}


@pytest.mark.parametrize("word", ["parms", "backend_", "timeout"])
def test_an_unknown_argument_is_a_type_error_that_lists_the_known_ones(in_loop: InLoop, word: str) -> None:
    wrong: dict[str, Any] = {word: 1}
    with pytest.raises(TypeError, match=rf"^run\(\) has no argument '{word}'; it takes params, config, plugins"):
        run(one(), **wrong)
    with pytest.raises(TypeError, match=rf"^arun\(\) has no argument '{word}'"):
        in_loop(lambda: arun(one(), **wrong))


@pytest.mark.parametrize("thing", [3, None, print, lambda: 1, object()])
def test_what_is_no_workflow_is_an_error_that_says_what_is(thing: Any) -> None:
    with pytest.raises(DefinitionError, match="this is no workflow") as caught:
        run(thing)
    assert "a @workflow, a @step, what .build() gave, or a name" in str(caught.value)


def test_a_workflow_is_given_by_its_function_its_definition_or_its_name() -> None:
    flows = Registry()

    @flows.workflow(name="nightly")
    def whole() -> int:
        return 1

    things: list[Any] = [whole, flows["nightly"], "nightly"]
    for thing in things:
        assert run(thing, registry=flows).value == 1


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    flows = Registry()

    @flows.workflow
    def nightly() -> None: ...

    with pytest.raises(UnknownNameError, match="there is no definition named 'nightyl'") as caught:
        run("nightyl", registry=flows)
    assert "did you mean 'nightly'?" in str(caught.value)


def test_nothing_starts_when_the_plan_is_wrong() -> None:
    ran: list[int] = []
    flow = FlowBuilder("wrong").step(lambda: ran.append(1), name="first").step(lambda missing: missing, name="second")

    with pytest.raises(InputError, match="'second' needs 'missing'"):
        run(flow.build())
    assert ran == []


def test_a_value_for_a_name_that_is_no_input_is_an_error() -> None:
    with pytest.raises(InputError, match="there is no input named 'm'"):
        run(one(), params={"m": 1})


def test_the_default_registry_is_where_names_are_looked_up() -> None:
    name = "a_step_of_test_runner"

    @flowbuilder.step(name=name)
    def made() -> int:
        return 7

    try:
        assert run(name).value == 7
    finally:
        flowbuilder.registry.forget(__name__)


def test_the_runs_config_goes_over_the_workflows_field_by_field() -> None:
    seen: list[ParallelConfig] = []

    class Sees:
        @hookimpl
        def flowbuilder_run_start(self, run: RunInfo) -> None:
            seen.append(run.config)

    own = ParallelConfig(max_concurrency=2, step_timeout=9, grace=3)
    flow = FlowBuilder("one").step(lambda: 1, name="step").with_config(own).build()
    run(flow, plugins=[Sees()])
    run(flow, config=ParallelConfig(max_concurrency=5, fail_fast=True), plugins=[Sees()])
    assert seen == [own, ParallelConfig(max_concurrency=5, step_timeout=9, grace=3, fail_fast=True)]


@pytest.mark.parametrize("config", [{"max_concurrency": 1}, 3, "fast"])
def test_what_is_no_config_is_an_error(config: Any) -> None:
    with pytest.raises(DefinitionError):
        run(one(), config=config)


@pytest.mark.parametrize(
    ("word", "value", "message"),
    [
        ("registry", "flows", "registry= takes a Registry\n  got: 'flows'"),
        ("seed", "x", "seed= takes a whole number\n  got: 'x'"),
        ("seed", [1], "seed= takes a whole number\n  got: [1]"),
        ("plugins", 5, "plugins= takes a list of objects with hooks\n  got: 5\n  hint: plugins=[plugin]"),
        ("plugins", "json", "plugins= takes a list of objects with hooks\n  got: 'json'\n  hint: plugins=[plugin]"),
    ],
)
def test_a_word_of_run_that_is_of_another_kind_is_an_error(word: str, value: Any, message: str) -> None:
    with pytest.raises(FlowBuilderError) as caught:
        run(FlowBuilder("one").step(lambda: 1, name="a").build(), **{word: value})
    assert str(caught.value) == message


def test_no_plugins_may_be_said_as_none() -> None:
    assert run(FlowBuilder("one").step(lambda: 1, name="a").build(), plugins=None).value == {"a": 1}


def test_a_plugin_given_twice_or_as_a_class_is_an_error() -> None:
    class Hears:
        @hookimpl
        def flowbuilder_run_start(self) -> None: ...

    plugin = Hears()
    with pytest.raises(PluginError, match="is registered twice"):
        run(one(), plugins=[plugin, plugin])
    with pytest.raises(PluginError, match="a plugin is a module or an object, not a class"):
        run(one(), plugins=[Hears])


def test_one_workflow_may_run_many_times_at_once_in_threads(backend: Backend) -> None:
    flow, found = one(), list[object]()
    threads = [
        threading.Thread(target=lambda n=n: found.append(run(flow, params={"n": n}, backend=backend).value))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(value["step"] for value in found) == list(range(8))  # type: ignore[index]  # values of run() are Any


def test_many_runs_share_one_loop(in_loop: InLoop) -> None:
    flow, found = one(), dict[int, Any]()

    async def start(n: int) -> None:
        found[n] = (await arun(flow, params={"n": n})).value

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for n in range(20):
                group.start_soon(start, n)

    in_loop(main)
    assert found == {n: {"step": n} for n in range(20)}


def test_a_run_leaves_asyncios_policies_and_the_current_loop_alone() -> None:
    program = """
import asyncio
from flowbuilder import FlowBuilder, run
flow = FlowBuilder("one").step(lambda: 1, name="one").build()
loop = asyncio.new_event_loop()
run(flow)
print(loop.run_until_complete(asyncio.sleep(0, "still works")))
loop.close()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (done.stdout, done.stderr) == ("still works\n", "")


def test_steps_of_a_run_are_skipped_or_done_and_never_forgotten(backend: Backend) -> None:
    flow = FlowBuilder("all")
    for number in range(50):
        flow.step(lambda: 1 / 0, name=f"broken_{number}").step(
            lambda above: above, name=f"below_{number}", needs={"above": f"broken_{number}"}
        )
    result = run(flow.build(), backend=backend)
    assert len(result.steps) == 100
    assert (result.count(Status.FAILED), result.count(Status.SKIPPED)) == (50, 50)
