"""What type checkers refuse: each comment says what is wrong, and one that is not needed is an error too."""

from __future__ import annotations

from flowbuilder import FlowBuilder, ParallelConfig, Retry, Secret, StepResult, Until, arun, run, step, workflow


@step
def rows(root: str) -> list[int]:
    return []


@workflow
def report(rows: list[int]) -> str:
    return ""


@step
def load(token: Secret[str]) -> str:
    return token  # type: ignore[return-value]  # reveal()


def made() -> None:
    rows(5)  # type: ignore[arg-type]  # root is text
    rows()  # type: ignore[call-arg]  # root is missing
    load("a")  # type: ignore[arg-type]  # Secret("a")
    _: int = run(report).value  # type: ignore[assignment]  # the body returns text
    run(report, parms={})  # type: ignore[call-overload]  # params=
    run(report, backend="curio")  # type: ignore[call-overload]  # no such back end
    arun(report, backend="trio")  # type: ignore[call-overload]  # arun takes the loop that runs
    step(retrys=2)  # type: ignore[call-overload]  # retries=
    step(retries="two")  # type: ignore[call-overload]  # a number or a Retry
    step(on_error="ignore")  # type: ignore[call-overload]  # "fail", "continue" or a function
    step(timeout="5s")  # type: ignore[call-overload]  # seconds or a timedelta
    workflow(priority="high")  # type: ignore[call-overload]  # a number
    Retry(2, delays=1.0)  # type: ignore[call-arg]  # delay=
    step(undo="unbook")  # type: ignore[call-overload]  # a function
    step(until=bool)  # type: ignore[call-overload]  # an Until
    Until()  # type: ignore[call-arg]  # a predicate
    Until(bool, every="1s")  # type: ignore[arg-type]  # seconds
    ParallelConfig(schedule="lazy")  # type: ignore[arg-type]  # "eager" or "batches"
    ParallelConfig().with_max_concurrency("four")  # type: ignore[arg-type]  # a number
    FlowBuilder("etl").step(rows, retrys=2)  # type: ignore[call-arg]  # retries=
    FlowBuilder("etl").step("rows")  # type: ignore[arg-type]  # a function
    FlowBuilder("etl").step_if(True, rows)  # type: ignore[arg-type]  # a function or a step
    FlowBuilder("etl").switch(rows, [rows])  # type: ignore[arg-type]  # {value: step}


def wants(result: StepResult[int]) -> str:
    return result.value  # type: ignore[return-value]  # a number
