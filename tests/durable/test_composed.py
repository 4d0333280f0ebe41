"""Resuming what is made of parts: sub-workflows, switches, and steps with providers of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from flowbuilder import FlowBuilder, Registry, Status, run
from flowbuilder.runner import Backend
from flowbuilder.store.memory import MemoryStore

from .test_resuming import Bodies


@pytest.mark.parametrize("has_body", [True, False])
def test_a_sub_workflow_goes_on_where_it_failed(store: MemoryStore, backend: Backend, has_body: bool) -> None:
    bodies, flows = Bodies(clean=1), Registry()
    flows.step(name="load")(lambda: bodies.ran_once("load"))

    @flows.step(after=["load"])
    def clean() -> str:
        bodies.ran_once("clean")
        return "cleaned"

    if has_body:
        flows.workflow(name="sales")(lambda clean: clean)
    else:
        flows.add(FlowBuilder("sales").step(clean).build())
    flows.workflow(name="month")(lambda sales: sales)
    first: Any = run("month", registry=flows, store=store, backend=backend)
    assert (first.steps["sales.clean"].status, bodies.again()) == (Status.FAILED, ["clean", "load"])
    second = run("month", registry=flows, store=store, resume=first.run_id, backend=backend)
    assert (second.value, bodies.again()) == ("cleaned" if has_body else {"clean": "cleaned"}, ["clean"])


def test_a_switch_goes_on_with_the_case_it_chose(store: MemoryStore, backend: Backend) -> None:
    bodies, kinds = Bodies(all=1), ["new", "all"]

    def kind() -> str:
        return kinds.pop()

    def load_all() -> str:
        bodies.ran_once("all")
        return "all"

    def load_new() -> str:
        bodies.ran_once("new")
        return "new"

    flow = FlowBuilder("etl").switch(kind, {"all": load_all, "new": load_new}, name="rows").build()
    first = run(flow, store=store, backend=backend)
    assert (first.status, bodies.again()) == (Status.FAILED, ["all"])
    second = run(flow, store=store, resume=first.run_id, backend=backend)
    assert (second.value, bodies.again(), kinds) == ({"rows": "all"}, ["all"], ["new"])


@pytest.mark.parametrize("kind", ["plain", "looped"])
def test_a_step_whose_tear_down_failed_runs_again(store: MemoryStore, backend: Backend, kind: str) -> None:
    bodies, flows = Bodies(commit=1), Registry()

    @flows.provider(scope="step")
    def plain() -> Iterator[str]:
        yield "session"
        bodies.ran_once("commit")

    @flows.provider(scope="step")
    async def looped() -> AsyncIterator[str]:
        yield "session"
        bodies.ran_once("commit")

    body: Any = (lambda plain: bodies.ran_once("save")) if kind == "plain" else (lambda looped: bodies.ran_once("save"))
    flows.step(name="save")(body)
    first: Any = run("save", registry=flows, store=store, backend=backend)
    assert (first.steps["save"].status, bodies.again()) == (Status.FAILED, ["commit", "save"])
    second = run("save", registry=flows, store=store, resume=first.run_id, backend=backend)
    assert (second.status, bodies.again()) == (Status.SUCCESS, ["commit", "save"])
