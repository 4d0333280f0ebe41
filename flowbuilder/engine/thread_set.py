"""ThreadSet: the plain providers of one attempt that runs in a thread, set up and torn down in that thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowbuilder.engine.provided import plain_stages, torn_down_in
from flowbuilder.engine.provider_set import ProviderSet, arguments_of
from flowbuilder.plan.plan import Plan


class ThreadSet:
    """Sets providers up when their values are asked for, each once; used by one thread, and needs no loop.

    Args:
        plan: the plan they are of.
        of_run: those of the run, which stand already.
    """

    def __init__(self, plan: Plan, of_run: ProviderSet) -> None:
        self._plan = plan
        self._of_run = of_run
        self._values: dict[str, Any] = {}
        self._open: list[tuple[str, Callable[[], None]]] = []

    def value(self, name: str) -> Any:
        """Return the value of a provider, set up with all it requests where it was not yet.

        Raises:
            BaseException: what its set-up raised.
        """
        definition = self._plan.providers[name].definition
        if not definition.is_per_step:
            return self._value_of_run(name)
        if name not in self._values:
            kwargs = arguments_of(self._plan, self._plan.providers[name].bindings, self.value)
            enter, leave = plain_stages(definition, kwargs)
            self._values[name] = enter()
            self._open.append((name, leave))
        return self._values[name]

    def _value_of_run(self, name: str) -> Any:
        error = self._of_run.failure([name])
        if error is not None:
            raise error
        return self._of_run.value(name)

    def tear_down(self) -> list[BaseException]:
        """Tear down all that were set up, the last one first; return what their tear-downs raised."""
        errors: list[BaseException] = []
        while self._open:
            name, leave = self._open.pop()
            try:
                leave()
            except BaseException as error:  # a provider is the user's code
                errors.append(torn_down_in(name, error))
        return errors[::-1]
