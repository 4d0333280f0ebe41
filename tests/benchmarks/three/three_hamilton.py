"""Three steps with Hamilton."""

import sys

from hamilton import base, driver


def numbers() -> list[int]:
    return list(range(10))


def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


built = driver.Builder().with_modules(sys.modules["__main__"]).with_adapters(base.DictResult()).build()
print(built.execute(["half"])["half"])
