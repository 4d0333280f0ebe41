"""ParallelConfig: how much of a run happens at once, and when it stops."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import timedelta
from typing import Literal, Self

from flowbuilder.declare.validate import (
    checked_amounts,
    checked_at_once,
    checked_count,
    checked_number,
    checked_timeout,
)
from flowbuilder.errors import DefinitionError, Where, shown_value

MOST_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelConfig:
    """The limits of a run; frozen, each ``with_…`` gives a new one.

    Attributes:
        max_concurrency: steps that run at once, all lanes together; None for the lanes' own limits; "auto" for a
            number from 1 to 64 that is found by measuring.
        step_timeout: seconds for each attempt of a step that sets no ``timeout`` of its own.
        fail_fast: the first failure starts nothing new and cancels what runs.
        max_failures: the same after this many failed steps.
        batch_size: cut each batch into chunks of this many; implies ``schedule="batches"``.
        schedule: "eager" starts a step when its own inputs are there, "batches" waits for the
            whole batch before.
        resources: how much there is of each named resource that steps and workflows may need.
        grace: seconds that running steps get to end after a cancellation.
    """

    max_concurrency: int | Literal["auto"] | None = None
    step_timeout: float | None = None
    fail_fast: bool = False
    max_failures: int | None = None
    batch_size: int | None = None
    schedule: Literal["eager", "batches"] = "eager"
    resources: Mapping[str, int] | None = None
    grace: float = 10.0

    def __post_init__(self) -> None:
        checked_at_once(self.max_concurrency, MOST_AT_ONCE)
        checked_count("batch_size=", self.batch_size, 10_000_000)
        checked_count("max_failures=", self.max_failures, 10_000_000)
        object.__setattr__(self, "step_timeout", checked_timeout(self.step_timeout, word="step_timeout="))
        object.__setattr__(self, "resources", checked_amounts("resources=", self.resources))
        object.__setattr__(self, "grace", checked_number("grace=", self.grace))
        if not isinstance(self.fail_fast, bool):
            raise DefinitionError("fail_fast= takes True or False", got=shown_value(self.fail_fast))
        if self.schedule not in ("eager", "batches"):
            raise DefinitionError(
                "schedule= is unknown", got=shown_value(self.schedule), allowed='"eager" or "batches"'
            )

    @property
    def in_batches(self) -> bool:
        """Whether batches are barriers."""
        return self.schedule == "batches" or self.batch_size is not None

    @property
    def failures_allowed(self) -> int | None:
        """How many failed steps stop the run, or None if none do."""
        return 1 if self.fail_fast else self.max_failures

    def with_max_concurrency(self, n: int | Literal["auto"] | None) -> Self:
        """Return this config with at most ``n`` steps at once."""
        return replace(self, max_concurrency=n)

    def with_step_timeout(self, seconds: float | timedelta | None) -> Self:
        """Return this config with a time limit, in seconds, for each attempt."""
        return replace(self, step_timeout=checked_timeout(seconds, word="step_timeout="))

    def with_fail_fast(self, on: bool = True) -> Self:
        """Return this config with fail-fast on or off."""
        return replace(self, fail_fast=on)

    def with_batch_size(self, n: int | None) -> Self:
        """Return this config with batches cut into chunks of ``n``."""
        return replace(self, batch_size=n)

    def with_schedule(self, schedule: Literal["eager", "batches"]) -> Self:
        """Return this config with another schedule."""
        return replace(self, schedule=schedule)

    def with_resources(self, resources: Mapping[str, int] | None) -> Self:
        """Return this config with these capacities of resources."""
        return replace(self, resources=resources)

    def over(self, base: ParallelConfig) -> ParallelConfig:
        """Return ``base`` with every field that differs from its default here put over it."""
        default = ParallelConfig()
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(base, **{name: value for name, value in own.items() if value != getattr(default, name)})


def checked_config(config: object, where: Where | None = None) -> ParallelConfig | None:
    """Return ``config`` if it is a ParallelConfig or None."""
    if config is not None and not isinstance(config, ParallelConfig):
        raise DefinitionError(
            "config= takes a ParallelConfig",
            where=where,
            got=shown_value(config),
            allowed="ParallelConfig(max_concurrency=4, …)",
        )
    return config
