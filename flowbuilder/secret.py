"""Secret: a value that nobody reads by accident."""

from __future__ import annotations

from typing import Generic, NoReturn, TypeVar, final

T_co = TypeVar("T_co", covariant=True)
MASK = "***"  # what stands in the place of a secret, in every text


@final
class Secret(Generic[T_co]):
    """A value whose text is ``***`` wherever it is shown: in messages, logs, plans, reports and the history.

    ``Secret[str]`` as an annotation of an input makes one of what is given; ``reveal`` gives the value
    back. It is never kept in a run store. A pickle of it, as is sent to a worker process, has the value.
    """

    __slots__ = ("_value",)
    __module__ = "flowbuilder"  # as it is imported, also by a pickle
    _value: T_co

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "_value", value)

    def __init_subclass__(cls) -> None:
        # The store knows a secret by its very class.
        raise TypeError("Secret is not made to be subclassed")

    def reveal(self) -> T_co:
        """Return the value."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return MASK

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __bool__(self) -> bool:
        return bool(self._value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Secret cannot be changed")

    def __reduce__(self) -> tuple[object, ...]:
        return Secret, (self._value,)
