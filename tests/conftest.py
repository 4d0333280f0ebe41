"""What all tests share: both back ends, flow files of a test's own, and the check that nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

import anyio
import pytest
import sniffio
import trio
from hypothesis import HealthCheck, settings

from flowbuilder import Registry
from flowbuilder.discovery import install_finder
from flowbuilder.runner import Backend

T = TypeVar("T")
PATIENCE = 5.0

# How long an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what lives as long as the tests do: it would look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Let all be found again: hypothesis looks for what refers to a generator, where it is loaded as late as now."""
    gc.unfreeze()


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Backend:
    return request.param  # type: ignore[no-any-return]  # pytest types a parameter as Any


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let processes that a test starts go without coverage, which loads modules and handles signals of its own."""
    for name in [name for name in os.environ if name.startswith("COVERAGE")]:
        monkeypatch.delenv(name)


@pytest.fixture
def untraced() -> Iterator[None]:
    """Let this thread go without coverage: what something costs is not what measuring it costs."""
    before = sys.gettrace()
    sys.settrace(None)
    yield
    sys.settrace(before)


class InLoop(Protocol):
    """Awaits an async function on a loop of its own."""

    def __call__(self, fn: Callable[[], Awaitable[T]]) -> T: ...


@pytest.fixture
def in_loop(backend: Backend) -> InLoop:
    """Return a function that awaits another on the back end, and asserts that no loop task is left."""

    def call(fn: Callable[[], Awaitable[T]]) -> T:
        async def body() -> T:
            before = living_tasks()
            try:
                return await fn()
            finally:
                assert living_tasks() == before

        return anyio.run(body, backend=backend)

    return call


def living_tasks() -> int:
    if sniffio.current_async_library() == "trio":
        return trio.lowlevel.current_statistics().tasks_living
    return len(asyncio.all_tasks())


class Collect(Protocol):
    """Writes a flow file and collects it."""

    def __call__(self, text: str, name: str = "flow_test.py") -> Registry: ...


@pytest.fixture
def collect(tmp_path: Path) -> Iterator[Collect]:
    """Return a function that writes a flow file below the test's folder and collects it.

    Worker processes can import what is in it, as they can the user's own flow files.
    """
    table = install_finder().table
    paths, modules, names = list(sys.path), set(sys.modules), dict(table)

    def collected(text: str, name: str = "flow_test.py") -> Registry:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        flows = Registry()
        flows.collect(file, tmp_path)
        return flows

    yield collected
    for module in set(sys.modules) - modules:
        if getattr(sys.modules[module], "__file__", None) in table.values():
            del sys.modules[module]
    table.clear()
    table.update(names)
    sys.path[:] = paths


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> Iterator[None]:
    """Let SIGINT interrupt whatever a test starts, also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


class Complaints(logging.Handler):
    """Keeps what asyncio logs, such as a task that was destroyed while it was pending."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Assert that a test leaves no thread, no child process and no complaint of the loop behind."""
    threads, children, complaints = set(threading.enumerate()), child_processes(), Complaints()
    logging.getLogger("asyncio").addHandler(complaints)

    def left() -> list[Any]:
        # Trio keeps idle threads for the next call; they belong to nobody.
        new = [one for one in threading.enumerate() if one not in threads and not one.name.startswith("Trio thread")]
        return [*new, *(child_processes() - children)]

    yield
    deadline = time.monotonic() + PATIENCE
    while left() and time.monotonic() < deadline:
        time.sleep(0.005)
    logging.getLogger("asyncio").removeHandler(complaints)
    assert left() == []
    assert complaints.texts == []


def child_processes() -> set[int]:
    """Return the process ids of this process's children, zombies included."""
    found: set[int] = set()
    for file in Path("/proc/self/task").glob("*/children"):
        try:
            found.update(map(int, file.read_text().split()))
        except (FileNotFoundError, ProcessLookupError):
            continue  # the thread has ended meanwhile
    return found
