"""Inner: what runs inside one body, by its ``ctx.run`` and ``ctx.map`` on the loop, or by their twins in a thread."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import anyio

from flowbuilder.engine.inner_calls import InnerCalls
from flowbuilder.engine.outside import refuse_way
from flowbuilder.engine.waiter import LoopWaiter, ThreadWaiter, Waiting


class Inner(InnerCalls):
    """The calls of one body, in the two ways in which a body can wait for them."""

    # In an async body.

    async def call(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Run a function once, or a workflow, and return what it returns."""
        waiter = LoopWaiter(self._engine.attend)
        return await self._see(waiter, self._running(waiter, fn, args, kwargs))

    async def map(self, fn: Any, items: Iterable[Any], limit: int | None, fixed: Mapping[str, Any]) -> Any:
        """Run a function once per item, and return the list of what it returned."""
        waiter = LoopWaiter(self._engine.attend)
        return await self._see(waiter, self._mapping(waiter, fn, items, limit, fixed))

    async def _see(self, waiter: LoopWaiter, waiting: Waiting[Any]) -> Any:
        try:
            return await waiter.see(waiting)
        except BaseException:  # a cancellation, which asyncio and trio each have their own class for
            rest = self._breaking_off(waiter)
            with anyio.CancelScope(shield=True):
                await waiter.see(rest)
            raise

    async def end(self) -> None:
        """Leave nothing behind: cancel what still runs, and wait for it."""
        waiter = LoopWaiter(self._engine.attend)
        with anyio.CancelScope(shield=True):
            await waiter.see(self._ending(waiter))

    # In a thread body.

    def call_sync(self, fn: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """Do as ``call``."""
        waiter = ThreadWaiter(self._engine.attend)
        return waiter.see(self._running(waiter, fn, args, kwargs))

    def map_sync(self, fn: Any, items: Iterable[Any], limit: int | None, fixed: Mapping[str, Any]) -> list[Any]:
        """Do as ``map``."""
        waiter = ThreadWaiter(self._engine.attend)
        return waiter.see(self._mapping(waiter, fn, items, limit, fixed))

    def end_sync(self) -> None:
        """Do as ``end``."""
        waiter = ThreadWaiter(self._engine.attend)
        waiter.see(self._ending(waiter))

    def refuse(self, *, is_async: bool) -> None:
        """Refuse to wait in a way that the body cannot.

        Raises:
            InnerStepError: naming the other way.
        """
        refuse_way(self.attempt, is_async=is_async)
