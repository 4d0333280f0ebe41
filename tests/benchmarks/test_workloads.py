"""Every workload of FlowBuilder and of what it is compared with does its work and is measured, at tiny sizes."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec

import pytest

from tests.benchmarks.cpu import Pieces
from tests.benchmarks.graph import chain
from tests.benchmarks.planning import Order
from tests.benchmarks.probe import WrongAnswerError, read
from tests.benchmarks.start import Text
from tests.benchmarks.workloads import OURS, WORKLOADS, Workload

TINY = {"processes": 2, "start": 3, "help": 1, "sleeps": 3, "uneven": 5, "replay": 8}
MEASURED = [
    pytest.param(workload, contender, id=f"{workload.name}: {contender}")
    for workload in WORKLOADS
    for contender in workload.contenders
    if contender.startswith(OURS) or contender == workload.reference
]


@pytest.mark.parametrize(("workload", "contender"), MEASURED)
def test_a_contender_does_its_work(workload: Workload, contender: str) -> None:
    reading = read(replace(workload, runs=1), contender, TINY.get(workload.name, 30))

    assert reading.seconds >= reading.ideal
    assert reading.seconds > 0


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda workload: workload.name)
def test_a_workload_compares_flowbuilder_with_contenders_that_exist(workload: Workload) -> None:
    assert {OURS, workload.reference, *workload.sizes} <= set(workload.contenders)
    for place in workload.contenders.values():
        assert find_spec(f"tests.benchmarks.{place.partition(':')[0]}") is not None


def test_a_wrong_answer_is_no_measurement() -> None:
    class Wrong(Pieces):
        def is_right(self, values: object) -> bool:
            return False

    workload = next(one for one in WORKLOADS if one.name == "processes")
    with pytest.raises(WrongAnswerError):
        read(replace(workload, make=Wrong, runs=1), "for loop", 1)


def test_an_order_is_right_where_each_step_comes_once_and_after_its_upstream() -> None:
    order = Order(chain(3))

    assert order.is_right([0, 1, 2])
    assert not order.is_right([0, 2, 1])
    assert not order.is_right([0, 1])


def test_three_steps_have_to_print_their_result_and_a_help_anything() -> None:
    assert Text(3).is_right(["half", "45"])
    assert not Text(3).is_right(["46"])
    assert Text(0).is_right(["Usage:"])
