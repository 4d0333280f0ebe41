"""Three steps with pipefunc."""

from pipefunc import Pipeline, pipefunc


@pipefunc("numbers")
def numbers() -> list[int]:
    return list(range(10))


@pipefunc("doubled")
def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


@pipefunc("half")
def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


print(Pipeline([numbers, doubled, half])())
