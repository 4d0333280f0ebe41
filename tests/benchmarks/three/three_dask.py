"""Three steps with Dask."""

from dask import compute, delayed


@delayed
def numbers() -> list[int]:
    return list(range(10))


@delayed
def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


@delayed
def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


print(compute(half(doubled(numbers())), scheduler="threads")[0])
