"""What is sent to worker processes and what comes back: values, errors, partials, modules."""

from __future__ import annotations

from pathlib import Path

from flowbuilder import FlowBuilder, ParallelConfig, Registry, run
from tests.conftest import Collect


def all_of(flows: Registry) -> FlowBuilder:
    flow = FlowBuilder("all")
    for definition in flows.steps.values():
        flow.step(definition)  # type: ignore[arg-type]  # a definition is taken as it is
    return flow


def test_large_values_go_both_ways_with_and_without_a_limit(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        @step
        def source() -> bytes:
            return bytes(50_000_000)

        @step(executor="process", timeout=60)
        def limited(source: bytes) -> bytes:
            return source + b"1"

        @step(executor="process")
        def unlimited(limited: bytes) -> bytes:
            return limited + b"2"

        @step
        def checked(unlimited: bytes) -> bool:
            return len(unlimited) == 50_000_002 and unlimited.endswith(b"12")
    """)
    assert run("checked", registry=flows).value is True


UNSENDABLE = """
    import threading
    from flowbuilder import Retry, step

    class Local(Exception):
        def __init__(self, first, second):
            super().__init__(f"{first} and {second}")

    class Broken(Exception):
        def __str__(self):
            raise RuntimeError("no text")

        def __reduce__(self):
            raise RuntimeError("no pickle")

    class Loads:
        def __reduce__(self):
            return (int, ("no number",))

    @step
    def lock():
        return threading.Lock()

    @step(executor="process")
    def argument(lock):
        raise AssertionError("it was sent")

    @step(executor="process")
    def returned():
        return threading.Lock()

    @step(executor="process")
    def raised():
        raise Local("one", "two")

    @step(executor="process")
    def raised_broken():
        raise Broken

    @step(executor="process")
    def returned_unloadable():
        return Loads()

    @step(executor="process")
    def good():
        return "ran"
"""


def test_what_cannot_be_sent_fails_its_own_step_with_a_clear_message(collect: Collect) -> None:
    flow = all_of(collect(UNSENDABLE)).build()
    result = run(flow, config=ParallelConfig(max_concurrency=1))

    errors = {name: str(step.error) for name, step in result.steps.items() if step.error is not None}
    lock = "cannot pickle '_thread.lock' object"
    assert errors["argument"] == f"the argument 'lock' (lock) cannot be sent to a worker process: {lock}"
    assert errors["returned"] == f"the step's result (lock) cannot be sent back: {lock}"
    assert errors["raised"] == "Local: one and two"
    assert errors["raised_broken"].startswith("Broken")
    assert "no number" in errors["returned_unloadable"]
    assert result.steps["good"].value == "ran"


def test_an_error_comes_back_as_itself_with_the_traceback_of_the_worker(collect: Collect) -> None:
    flows = collect("""
        from flowbuilder import step

        def deeper(n: int) -> None:
            raise LookupError(f"no row {n}")

        @step(executor="process")
        def broken(n: int) -> None:
            deeper(n)
    """)
    result = run("broken", registry=flows, params={"n": 3})
    error = result.steps["broken"].error
    assert isinstance(error, LookupError)
    assert str(error) == "no row 3"
    trace = str(error.__cause__)
    assert "in deeper" in trace
    assert "flow_test.py" in trace
    assert "worker.py" not in trace


def test_a_partial_is_a_process_step_with_its_settled_arguments(collect: Collect) -> None:
    flows = collect("""
        from functools import partial
        from flowbuilder import step

        def scaled(n: int, factor: int, plus: int = 0) -> int:
            return n * factor + plus

        tripled = step(name="tripled", executor="process")(partial(partial(scaled, factor=2, plus=1), factor=3))
    """)
    assert run("tripled", registry=flows, params={"n": 5}).value == 16


def test_a_result_keeps_its_identity_of_type_with_the_parents_module(collect: Collect) -> None:
    flows = collect("""
        from dataclasses import dataclass
        from flowbuilder import step

        @dataclass
        class Stats:
            lines: int

        @step(executor="process")
        def measured() -> Stats:
            return Stats(3)

        @step
        def is_same(measured: Stats) -> bool:
            return type(measured) is Stats
    """)
    assert run("is_same", registry=flows).value is True


def test_two_flow_files_of_the_same_name_in_two_folders_never_mix_in_a_worker(collect: Collect) -> None:
    text = """
        import os
        from flowbuilder import step

        @step(name="{name}", executor="process", retries=0)
        def who() -> tuple[str, int]:
            return "{name}", os.getpid()
    """
    flow = FlowBuilder("both")
    for name in ("left", "right"):
        flows = collect(text.replace("{name}", name), f"{name}/flow_same.py")
        flow.step(flows.steps[name])  # type: ignore[arg-type]  # a definition is taken as it is
    result = run(flow.build(), config=ParallelConfig(max_concurrency=1))
    assert {name: value[0] for name, value in result.value.items()} == {"left": "left", "right": "right"}
    assert len({value[1] for value in result.value.values()}) == 1


def test_a_worker_imports_what_lies_beside_the_flow_file(collect: Collect, tmp_path: Path) -> None:
    (tmp_path / "beside_the_flow.py").write_text("ANSWER = 42\n")
    flows = collect("""
        from flowbuilder import step
        import beside_the_flow

        @step(executor="process")
        def answer() -> int:
            return beside_the_flow.ANSWER
    """)
    assert run("answer", registry=flows).value == 42
