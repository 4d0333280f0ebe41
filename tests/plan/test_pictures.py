"""Pictures of a plan: what a person reads."""

from __future__ import annotations

from flowbuilder import FlowBuilder, Registry


def test_only_items_of_a_mapped_step_are_said_to_be_skipped_by_its_condition() -> None:
    def odd(n: int) -> int:
        return n

    def total(odd: list[int]) -> int:
        return sum(odd)

    flow = FlowBuilder("odds").step(odd, each={"n": [1, 2]}, when=lambda n: n % 2).step(total)

    assert Registry().plan(flow.build()).explain() == (
        "workflow odds: 2 steps, 1 of them mapped\n"
        "\n"
        "batch 1\n"
        "  odd × each item  (items may be skipped)\n"
        "      n ← one item of (1, 2)\n"
        "\n"
        "batch 2\n"
        "  total\n"
        "      odd ← step odd\n"
        "\n"
        "longest chain: odd → total\n"
    )
