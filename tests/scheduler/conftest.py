"""What all tests of many workflows share: slots and resources are back to full after each."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from flowbuilder.engine.drive import Driver
from flowbuilder.engine.engine import Engine
from tests.conftest import PATIENCE


@pytest.fixture(autouse=True)
def all_given_back(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Assert that no engine of a test holds a slot or a resource, reserves one, or lets anything wait."""
    drivers: list[Driver] = []
    make = Driver.__init__

    def kept(driver: Driver, *args: Any) -> None:
        make(driver, *args)
        drivers.append(driver)

    monkeypatch.setattr(Driver, "__init__", kept)
    yield
    deadline = time.monotonic() + PATIENCE
    engines = [driver._engine for driver in drivers]
    while any(held_in(one) for one in engines) and time.monotonic() < deadline:
        time.sleep(0.005)  # threads that overran end after their run
    assert [held_in(one) for one in engines] == [[]] * len(engines)


def held_in(engine: Engine) -> list[str]:
    """Return what is not as it was before the first run."""
    admission = engine.admission
    found = [f"{admission.held} slots"] if admission.held else []
    found += [f"{one.held} in lane {lane}" for lane, one in enumerate(admission.lanes) if one.held]
    for limit in engine.resources.values():
        found += [f"{limit.held} {limit.name}"] if limit.held else []
        found += [f"{limit.reserved} {limit.name} reserved"] if limit.reserved else []
    waiting = sum(1 for line in admission._lines.values() for _ in line)
    return found + ([f"{waiting} waiting"] if waiting else [])
