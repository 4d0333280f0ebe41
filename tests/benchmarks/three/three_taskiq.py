"""Three steps with taskiq."""

import asyncio

from taskiq import InMemoryBroker

broker = InMemoryBroker(await_inplace=True)


@broker.task
async def numbers() -> list[int]:
    return list(range(10))


@broker.task
async def doubled(numbers: list[int]) -> list[int]:
    return [2 * number for number in numbers]


@broker.task
async def half(doubled: list[int]) -> int:
    return sum(doubled) // 2


async def main() -> None:
    first = await (await numbers.kiq()).wait_result()
    second = await (await doubled.kiq(first.return_value)).wait_result()
    print((await (await half.kiq(second.return_value)).wait_result()).return_value)


asyncio.run(main())
