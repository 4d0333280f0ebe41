"""ParallelExecutor: independent named functions in parallel, without declaring anything."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import anyio
import pytest

from flowbuilder import ParallelConfig, ParallelExecutor, ParallelResults, ParallelStep, Registry, Status
from flowbuilder.errors import DefinitionError, DuplicateNameError, InputError, InsideLoopError, StepTimeoutError
from tests.conftest import InLoop

Steps = list[ParallelStep | tuple[str, Callable[..., Any]]]
METHODS = ("execute", "execute_with_monitoring", "execute_sync", "execute_with_monitoring_sync")


@pytest.fixture(params=METHODS)
def executed(request: pytest.FixtureRequest, in_loop: InLoop) -> Callable[..., ParallelResults]:
    """Return a function that calls one of the four methods."""

    def call(executor: ParallelExecutor, *args: Any, **kwargs: Any) -> ParallelResults:
        method = getattr(executor, request.param)
        results = (
            method(*args, **kwargs) if request.param.endswith("_sync") else in_loop(lambda: method(*args, **kwargs))
        )
        assert isinstance(results, ParallelResults)
        return results

    return call


def plain(n: int) -> int:
    return n + 1


async def looped(n: int) -> int:
    await anyio.sleep(0)
    return n + 2


def broken() -> None:
    raise ValueError("the reason")


def test_plain_and_async_functions_get_the_context_by_name(executed: Callable[..., ParallelResults]) -> None:
    steps: Steps = [ParallelStep("plain", plain), ("looped", looped), ParallelStep("alone", lambda: "no context")]
    results = executed(ParallelExecutor(), steps, context={"n": 5})

    assert {name: one.value for name, one in results.results.items()} == {
        "plain": 6, "looped": 7, "alone": "no context",
    }  # fmt: skip
    assert (results.success_count, results.failed_count, results.errors) == (3, 0, ())
    assert results.total_duration > 0


def test_a_failure_is_data_and_disturbs_no_other(executed: Callable[..., ParallelResults]) -> None:
    results = executed(ParallelExecutor(), [("broken", broken), ("fine", lambda: "fine")])

    assert (results.success_count, results.failed_count) == (1, 1)
    assert [str(error) for error in results.errors] == ["the reason"]
    assert results.results["broken"].status is Status.FAILED
    assert results.results["fine"].value == "fine"


def test_they_really_run_in_parallel(executed: Callable[..., ParallelResults]) -> None:
    together = threading.Barrier(3)
    steps: Steps = [(f"s{number}", lambda: together.wait(5) >= 0) for number in range(3)]

    assert executed(ParallelExecutor(), steps).success_count == 3


def test_no_steps_are_no_results(executed: Callable[..., ParallelResults]) -> None:
    results = executed(ParallelExecutor(), [])

    assert dict(results.results) == {}
    assert (results.success_count, results.failed_count, results.errors, results.total_duration) == (0, 0, (), 0.0)


def test_steps_may_come_from_a_generator() -> None:
    def made() -> Iterator[ParallelStep]:
        for number in range(3):
            yield ParallelStep(f"s{number}", functools.partial(plain, n=number))

    results = ParallelExecutor().execute_sync(made())
    assert [one.value for one in results.results.values()] == [1, 2, 3]


def test_results_are_in_the_order_of_the_steps_and_frozen() -> None:
    results = ParallelExecutor().execute_sync([("c", lambda: 3), ("a", lambda: 1), ("b", lambda: 2)])

    assert list(results.results) == ["c", "a", "b"]
    with pytest.raises(FrozenInstanceError):
        results.failed_count = 1  # type: ignore[misc]  # that is the point


# The limits of the config.


def test_max_concurrency_bounds_how_many_run_at_once(executed: Callable[..., ParallelResults]) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def body() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.005)
        with lock:
            running[0] -= 1

    executed(ParallelExecutor(ParallelConfig().with_max_concurrency(2)), [(f"s{n}", body) for n in range(8)])
    assert most[0] == 2


def test_fail_fast_skips_what_has_not_started() -> None:
    config = ParallelConfig().with_max_concurrency(1).with_fail_fast()
    results = ParallelExecutor(config).execute_sync([("broken", broken), ("never", lambda: 1)])

    assert results.results["never"].status is Status.SKIPPED
    assert (results.success_count, results.failed_count) == (0, 1)


def test_step_timeout_bounds_each_step(executed: Callable[..., ParallelResults]) -> None:
    async def slow() -> None:
        await anyio.sleep(30)

    results = executed(ParallelExecutor(ParallelConfig().with_step_timeout(0.05)), [("slow", slow)])
    assert results.results["slow"].status is Status.TIMED_OUT
    assert isinstance(results.errors[0], StepTimeoutError)


def test_an_executor_may_be_used_again_and_from_several_threads() -> None:
    executor, found = ParallelExecutor(), list[int]()

    def use() -> None:
        for _ in range(3):
            found.append(executor.execute_sync([("one", lambda: 1), ("two", lambda: 2)]).success_count)

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert found == [2] * 12


# ParallelStep.


def test_a_step_may_be_shared_between_executors_and_cloned_under_another_name() -> None:
    shared = ParallelStep("shared", plain)
    clone = shared.clone(name="clone")

    assert (clone.name, clone.fn, shared.name) == ("clone", plain, "shared")
    assert shared.clone() == shared
    both = ParallelExecutor().execute_sync([shared, clone], {"n": 1})
    alone = ParallelExecutor(ParallelConfig(max_concurrency=1)).execute_sync([shared], {"n": 2})
    assert [one.value for one in both.results.values()] == [2, 2]
    assert alone.results["shared"].value == 3


def test_a_decorated_function_is_a_step_like_any_other() -> None:
    flows = Registry()

    @flows.step(retries=1)
    def declared(n: int) -> int:
        return n * 10

    assert ParallelExecutor().execute_sync([ParallelStep("one", declared)], {"n": 2}).results["one"].value == 20


def test_functions_are_independent_even_where_one_has_a_parameter_named_like_another() -> None:
    def reader(source: str) -> str:
        return f"read {source}"

    results = ParallelExecutor().execute_sync([("source", lambda: "a step"), ("reader", reader)], {"source": "context"})
    assert results.results["reader"].value == "read context"
    assert results.results["source"].value == "a step"


def test_the_context_is_not_mixed_with_steps_declared_around_it() -> None:
    flows = Registry()

    @flows.step
    def source() -> str:
        raise AssertionError("nobody asked for this")

    def reader(source: str) -> str:
        return f"read {source}"

    results = ParallelExecutor().execute_sync([("reader", reader)], {"source": "context"})
    assert list(results.results) == ["reader"]
    assert results.results["reader"].value == "read context"
    assert callable(source)


# Mistakes.


@pytest.mark.parametrize("method", ["execute_sync", "execute_with_monitoring_sync"])
def test_a_sync_twin_inside_a_loop_names_what_to_await(in_loop: InLoop, method: str) -> None:
    async def main() -> None:
        getattr(ParallelExecutor(), method)([("one", lambda: 1)])

    with pytest.raises(InsideLoopError, match="cannot be called while an event loop runs in this thread") as caught:
        in_loop(main)
    assert method.removesuffix("_sync") in str(caught.value)


def test_two_steps_of_one_name_are_an_error() -> None:
    with pytest.raises(DuplicateNameError, match=r"the name 'one' is defined twice \(.*test_parallel\.py:\d+\)"):
        ParallelExecutor().execute_sync([("one", lambda: 1), ("one", lambda: 2)])


def test_a_parameter_without_a_value_is_an_error_before_anything_runs() -> None:
    ran: list[int] = []

    with pytest.raises(InputError, match="'plain' needs 'n'"):
        ParallelExecutor().execute_sync([("first", lambda: ran.append(1)), ("plain", plain)])
    assert ran == []


@pytest.mark.parametrize("wrong", [plain, "text", 3, None, ("one",), ("one", plain, "three")])
def test_what_is_no_step_is_an_error_that_shows_it(wrong: Any) -> None:
    with pytest.raises(DefinitionError) as caught:
        ParallelExecutor().execute_sync([wrong])
    assert "ParallelStep" in str(caught.value)


@pytest.mark.parametrize("name", ["", " ", "a\nb", 3, None])
def test_a_wrong_name_is_an_error(name: Any) -> None:
    with pytest.raises(DefinitionError):
        ParallelStep(name, plain)


def test_a_step_without_a_function_is_an_error() -> None:
    with pytest.raises(DefinitionError, match="ParallelStep takes a function"):
        ParallelStep("one", 3)  # type: ignore[arg-type]  # that is the point


def test_what_is_no_config_is_an_error() -> None:
    with pytest.raises(DefinitionError):
        ParallelExecutor({"max_concurrency": 2})  # type: ignore[arg-type]  # that is the point


# Monitoring.


def test_monitoring_prints_each_end_and_the_counts_to_stderr_and_the_others_print_nothing(
    in_loop: InLoop, capsys: pytest.CaptureFixture[str]
) -> None:
    steps: Steps = [("fine", lambda: 1), ("broken", broken)]
    executor = ParallelExecutor(ParallelConfig(max_concurrency=1))
    in_loop(lambda: executor.execute(steps))
    assert capsys.readouterr() == ("", "")

    in_loop(lambda: executor.execute_with_monitoring(steps))
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("[1/2] fine success in ")
    assert lines[1].startswith("[2/2] broken failed after ")
    assert lines[1].endswith("ValueError: the reason")
    assert lines[2].startswith("1 succeeded, 1 failed, 0 skipped in ")


def test_monitoring_goes_on_although_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed:
        encoding = "utf-8"

        def write(self, text: str) -> int:
            raise BrokenPipeError

        def flush(self) -> None:
            raise BrokenPipeError

        def isatty(self) -> bool:
            return False

    monkeypatch.setattr("sys.stderr", Closed())
    monkeypatch.setattr("logging.lastResort", None)
    assert ParallelExecutor().execute_with_monitoring_sync([("one", lambda: 1)]).success_count == 1
