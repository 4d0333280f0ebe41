"""Three steps with FlowBuilder."""

from flowbuilder import step, workflow


@step
def numbers() -> list[int]:
    return list(range(10))


@step
def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


@workflow
def half(doubled: list[int]) -> int:
    return sum(doubled) // 2
