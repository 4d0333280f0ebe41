"""While a plan is made no garbage is looked for, and then it is again; a plan keeps nothing of how it was made."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from flowbuilder import FlowBuilder, Registry
from flowbuilder.plan.bind import Known
from flowbuilder.plan.garbage import no_garbage_sought


@pytest.fixture(autouse=True)
def collecting() -> Iterator[None]:
    gc.enable()
    yield
    gc.enable()


def test_garbage_is_sought_again_also_after_an_error() -> None:
    seen = []

    @no_garbage_sought()
    def planned() -> None:
        seen.append(gc.isenabled())
        raise ValueError("wrong")

    with pytest.raises(ValueError, match="wrong"):
        planned()
    assert [*seen, gc.isenabled()] == [False, True]


def test_where_somebody_else_looks_for_none_it_stays_so() -> None:
    gc.disable()
    with no_garbage_sought():
        pass
    assert not gc.isenabled()


def test_what_planning_found_out_for_each_step_is_not_kept_by_the_plan() -> None:
    plan = Registry().plan(FlowBuilder("flow").step(lambda: 1, name="a").build())
    gc.collect()
    assert plan.inner is not None
    assert not [one for one in gc.get_objects() if type(one) is Known]
