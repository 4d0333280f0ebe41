"""Three steps with nothing but Python."""


def numbers() -> list[int]:
    return list(range(10))


def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


print(half(doubled(numbers())))
