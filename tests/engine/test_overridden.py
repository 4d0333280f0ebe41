"""Overrides: a value in the place of a step or provider, while it runs."""

from __future__ import annotations

import pytest

from flowbuilder import Registry, run
from flowbuilder.runner import Backend


@pytest.mark.parametrize("by_name", [False, True])
def test_an_override_takes_a_steps_place_and_drops_its_upstream(backend: Backend, by_name: bool) -> None:
    flows = Registry()

    @flows.step
    def costly() -> int:
        raise AssertionError("nobody needs this")

    @flows.step
    def rows(costly: int) -> int:
        return costly

    @flows.step
    def total(rows: int) -> int:
        return rows + 1

    result = run(total, registry=flows, overrides={"rows" if by_name else rows: 41}, backend=backend)
    assert result.value == 42
    assert list(result.steps) == ["total"]


def test_an_overrides_upstream_stays_where_somebody_else_needs_it() -> None:
    flows = Registry()

    @flows.step
    def source() -> int:
        return 1

    @flows.step
    def rows(source: int) -> int:
        return source

    @flows.step
    def total(rows: int, source: int) -> tuple[int, int]:
        return rows, source

    assert run(total, registry=flows, overrides={rows: 9}).value == (9, 1)


def test_an_override_takes_a_providers_place_without_setting_it_up(backend: Backend) -> None:
    flows = Registry()

    @flows.provider
    def api() -> str:
        raise AssertionError("nobody needs this")

    @flows.step
    def fetched(api: str) -> str:
        return f"from {api}"

    assert run(fetched, registry=flows, overrides={api: "a fake"}, backend=backend).value == "from a fake"


def test_an_override_of_a_mapped_step_or_of_its_source_is_a_list(backend: Backend) -> None:
    flows = Registry()

    @flows.step
    def numbers() -> list[int]:
        return [1]

    @flows.step(each={"n": "numbers"})
    def square(n: int) -> int:
        return n * n

    @flows.step
    def total(square: list[int]) -> int:
        return sum(square)

    assert run(total, registry=flows, overrides={numbers: [2, 3]}, backend=backend).value == 13
    assert run(total, registry=flows, overrides={square: [5, 6]}, backend=backend).value == 11


def test_an_override_of_a_step_that_only_orders_is_dropped() -> None:
    flows = Registry()

    @flows.step
    def migrated() -> None:
        raise AssertionError("nobody needs this")

    @flows.step(after=(migrated,))
    def loaded() -> str:
        return "loaded"

    assert run(loaded, registry=flows, overrides={migrated: None}).value == "loaded"
