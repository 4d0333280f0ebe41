"""Three steps with asyncio."""

import asyncio


async def numbers() -> list[int]:
    return list(range(10))


async def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


async def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


async def main() -> None:
    print(await half(await doubled(await numbers())))


asyncio.run(main())
