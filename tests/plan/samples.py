"""What the tests of conversion share: types of every kind, and two short calls."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import (
    Annotated,
    NamedTuple,
    NewType,
    NotRequired,
    Protocol,
    TypedDict,
    TypeVar,
)

import pydantic
import pytest

from flowbuilder.errors import InputError
from flowbuilder.plan.convert import converted
from flowbuilder.plan.given import Text

T = TypeVar("T")


UserId = NewType("UserId", int)


class Colour(enum.Enum):
    RED = "red"
    GREEN = "green"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Odd(enum.Enum):
    ONE = 1

    @classmethod
    def _missing_(cls, value: object) -> Odd:
        raise KeyError(value)


class Port(int):
    """An int of the user's own."""


class Wheel(TypedDict):
    size: int
    name: NotRequired[str]


class Point(NamedTuple):
    x: int
    y: int


@dataclass(frozen=True)
class Part:
    name: str
    file: Path = Path()


@dataclass(frozen=True)
class Machine:
    name: str
    parts: list[Part] = field(default_factory=list)
    built: date | None = None

    def __post_init__(self) -> None:
        if self.name == "forbidden":
            raise KeyError(self.name)


class Model(pydantic.BaseModel):
    name: str
    size: int = 1


@pydantic.dataclasses.dataclass
class Checked:
    size: Annotated[int, pydantic.Field(gt=0)]


class HasName(Protocol):
    name: str


class Client:
    """A class that nothing written can stand for."""


def read(text: str, annotation: object) -> object:
    return converted("x", Text(text, "-P"), annotation, None)


def refused(value: object, annotation: object) -> InputError:
    with pytest.raises(InputError) as caught:
        converted("x", value, annotation, None)
    return caught.value
