"""Call: one call of a step's body, and the plugins that stand around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from flowbuilder.engine.tail import Tail
from flowbuilder.results import Section


class Call:
    """The call of a step's body, as ``flowbuilder_step_call`` sees it.

    ``kwargs`` are the body's arguments; ``attempt`` counts from 1, through all rounds of a step with
    ``until``, and ``earlier`` are the attempts of those before. ``is_untimed`` says that no time-out
    applies any more.
    """

    __slots__ = ("_sections", "_written", "attempt", "earlier", "is_untimed", "kwargs")

    def __init__(self, kwargs: Mapping[str, Any], attempt: int, earlier: int = 0) -> None:
        self.kwargs = kwargs
        self.attempt = attempt
        self.earlier = earlier
        self.is_untimed = False
        self._sections: list[Section] = []
        self._written: dict[str, Tail] = {}

    def __repr__(self) -> str:
        return f"<Call of attempt {self.attempt} with {', '.join(self.kwargs) or 'nothing'}>"

    def add_section(self, title: str, text: str) -> None:
        """Add text to the step's result, such as what it printed."""
        self._sections.append(Section(title, text))

    def write(self, title: str, text: str) -> None:
        """Add text to the end of a section as it comes; from any thread.

        Of a long text the last 64 KiB are kept. A body that overran has what it wrote until then.
        """
        tail = self._written.get(title)
        if tail is None:
            tail = self._written.setdefault(title, Tail())
        tail.write(text)

    def lift_timeouts(self) -> None:
        """Let no time-out end this attempt any more, nor its run: somebody looks at what the body left."""
        self.is_untimed = True

    @property
    def sections(self) -> tuple[Section, ...]:
        """All text added so far."""
        return (*(Section(title, tail.text) for title, tail in list(self._written.items())), *self._sections)


class Wrappers:
    """The generators that stand around one call: entered in order, left in reverse."""

    def __init__(self, implementations: Sequence[Any], facts: Mapping[str, Any]) -> None:
        self._implementations = implementations
        self._facts = facts
        self._entered: list[Any] = []

    def around(self, body: Callable[[], Any]) -> Any:
        """Call a plain body inside the wrappers."""
        try:
            self._enter()
            value = body()
        except BaseException as error:  # whatever the body raises goes through the wrappers, then on
            value = self._leave_with(error)
        return self._leave(value)

    async def around_async(self, body: Callable[[], Awaitable[Any]]) -> Any:
        """Await an async body inside the wrappers."""
        try:
            self._enter()
            value = await body()
        except BaseException as error:  # as above, cancellation included
            value = self._leave_with(error)
        return self._leave(value)

    def _enter(self) -> None:
        for one in self._implementations:
            generator = one.function(*(self._facts[name] for name in one.argnames))
            try:
                next(generator)
            except StopIteration:
                raise RuntimeError("flowbuilder_step_call did not yield") from None
            self._entered.append(generator)

    def _leave(self, value: Any) -> Any:
        while self._entered:
            generator = self._entered.pop()
            try:
                generator.send(value)
            except StopIteration as stop:
                value = stop.value if stop.value is not None else value
            except BaseException as error:  # a wrapper's own error takes the value's place
                value = self._leave_with(error)
            else:
                generator.close()
                raise RuntimeError("flowbuilder_step_call yielded twice")
        return value

    def _leave_with(self, error: BaseException) -> Any:
        """Throw an error through the wrappers; one that returns a value has settled it."""
        while self._entered:
            generator = self._entered.pop()
            try:
                generator.throw(error)
            except StopIteration as stop:
                if stop.value is not None:
                    return stop.value
            except BaseException as raised:  # the wrapper let it pass, or raised its own
                error = raised
            else:
                generator.close()
                error = RuntimeError("flowbuilder_step_call yielded twice")
        raise error
