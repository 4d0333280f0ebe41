"""The graphs are what their names say, and know their answer and the least time they take."""

from __future__ import annotations

import pytest

from tests.benchmarks.graph import chain, fan, layers, recorded, sleeps, uneven, wide_layers


def test_the_steps_of_a_fan_are_independent_and_those_of_a_chain_are_not() -> None:
    assert fan(3).upstream == ((), (), ())
    assert chain(4).upstream == ((), (0,), (1,), (2,))
    assert chain(4).answer == [0, 1, 3, 6]


def test_layers_draw_three_inputs_a_step_from_the_layer_before_and_their_sum_is_known() -> None:
    graph = layers(1_000)

    assert all(len(above) == 3 for above in graph.upstream[100:])
    assert all(one // 100 == number // 100 - 1 for number, above in enumerate(graph.upstream) for one in above)
    assert sum(graph.answer) == 236_899_882
    assert len(wide_layers(30_000)) == 30_000


def test_the_least_time_is_that_of_the_slots_or_of_the_longest_chain() -> None:
    assert sleeps(200).bound == pytest.approx(0.2)
    assert uneven(100).bound == pytest.approx(0.14)
    assert recorded(58).bound == pytest.approx(0.5)


def test_values_are_right_only_where_all_of_them_are() -> None:
    graph = chain(3)

    assert graph.is_right(iter([0, 1, 3]))
    assert not graph.is_right([0, 1, 2])
    assert not graph.is_right([0, 1])
