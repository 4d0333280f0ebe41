"""Handle: how a program follows and cancels one submitted run."""

from __future__ import annotations

from typing import Generic, TypeVar

from flowbuilder.engine.conduct import Conduct
from flowbuilder.results import RunResult
from flowbuilder.runner import refuse_running_loop

R = TypeVar("R")


class Handle(Generic[R]):
    """One submitted run."""

    def __init__(self, conduct: Conduct) -> None:
        self._conduct = conduct

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return self._conduct.info.run_id

    @property
    def workflow(self) -> str:
        """The name of its workflow."""
        return self._conduct.info.workflow

    @property
    def status(self) -> str:
        """Where it is: "waiting" for what it holds, "running", or the status it ended with."""
        if self._conduct.over.is_set():
            return str(self._conduct.result.status)
        return "running" if self._conduct.run is not None else "waiting"

    async def wait(self) -> RunResult[R]:
        """Return the result when the run has ended; who is cancelled meanwhile only stops waiting."""
        await self._conduct.finished.wait()
        return self._conduct.result

    def wait_sync(self, timeout: float | None = None) -> RunResult[R]:
        """Do the same in a program without a loop, for at most ``timeout`` seconds.

        Raises:
            TimeoutError: when the run has not ended by then; it goes on.
            InsideLoopError: inside a running event loop, which it would block.
        """
        refuse_running_loop("wait_sync", "handle.wait")
        if not self._conduct.over.wait(timeout):
            raise TimeoutError(f"{self.workflow} has not ended after {timeout} s")
        return self._conduct.result

    def cancel(self, reason: str = "its handle was cancelled") -> None:
        """Cancel the run, and have what it completed undone; from any thread. It is over when ``wait`` returns."""
        self._conduct.cancel(reason)
