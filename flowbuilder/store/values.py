"""Values: what steps return as bytes: JSON where that is exact, pickle elsewhere."""

from __future__ import annotations

import copyreg
import io
import json
import pickle
from collections.abc import Iterator
from typing import Any, NoReturn

from flowbuilder.errors import shown_value
from flowbuilder.secret import Secret
from flowbuilder.store.rows import NOT_STORED, Encoded

PLAIN = frozenset({str, int, float, bool, type(None)})
DEEPEST = 100
READER = json.JSONDecoder()
JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
BIG = 1 << 63  # a larger number takes its time, or too many digits
CHECKED = 64 * 1024
FAULTS = (Exception, SystemExit)  # what the user's own code may raise, which pickling calls


def encode(value: Any) -> Encoded:
    """Return a value as bytes.

    Raises:
        ValueError: when it cannot be stored, saying which part of it and why.
    """
    kind = type(value)
    if kind is int and -BIG < value < BIG:
        return Encoded("json", b"%d" % value)
    if _is_plain(value, DEEPEST):
        try:
            return Encoded("json", JSON.encode(value).encode("ascii"))
        except (ValueError, RecursionError):  # a NaN, or a number of thousands of digits
            pass
    try:
        data = _pickled(value)
        if len(data) <= CHECKED:
            pickle.loads(data)
    except FAULTS as error:
        raise ValueError(_why(value, error)) from error
    return Encoded("pickle", data)


def _pickled(value: Any) -> bytes:
    """Return a pickle that holds no secret."""
    made = io.BytesIO()
    pickler = pickle.Pickler(made, protocol=5)
    pickler.dispatch_table = {**copyreg.dispatch_table, Secret: _refuse_secret}
    pickler.dump(value)
    return made.getvalue()


def _refuse_secret(secret: Secret[Any]) -> NoReturn:
    raise ValueError("a secret is not written down")


def decode(encoded: Encoded) -> Any:
    """Return a value from its bytes; a pickle runs code of whoever wrote it, so only resume and cache may ask.

    Raises:
        ValueError: when it cannot be read any more, or was never stored.
    """
    if encoded.format == "json":
        return _of_json(encoded.data.decode("ascii"))
    if encoded == NOT_STORED:
        raise ValueError("it was not stored")
    try:
        return pickle.loads(encoded.data)
    except FAULTS as error:  # it imports the user's modules, too
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _of_json(text: str) -> Any:
    # As it was written, no space stands around it, for which to look would take the longer part of the time.
    value, end = READER.raw_decode(text)
    if end != len(text):
        raise ValueError("there is more than one value")
    return value


def _is_plain(value: Any, depth: int) -> bool:
    """Return whether JSON gives back the very same: exact types only, since a subclass would come back without it."""
    kind = type(value)
    if kind in PLAIN:
        return True
    if not depth:
        return False
    if kind is list:
        return _are_plain(value, depth)
    return kind is dict and set(map(type, value)) <= {str} and _are_plain(list(value.values()), depth)


def _are_plain(parts: list[Any], depth: int) -> bool:
    return set(map(type, parts)) <= PLAIN or all(_is_plain(part, depth - 1) for part in parts)


def _why(value: Any, error: BaseException) -> str:
    path, part, error = _culprit(value, error)
    reason = f"{type(error).__name__}: {shown_value(str(error), 100)}"
    return f"result{path} is {shown_value(part, 60)}, which cannot be stored ({reason})"


def _culprit(value: Any, error: BaseException) -> tuple[str, Any, BaseException]:
    """Return where in a value the part is that cannot be pickled, the part, and what it raised."""
    path = ""
    for _ in range(DEEPEST):
        for step, part in _parts(value):
            found = _refusal(part)
            if found is not None:
                path, value, error = path + step, part, found
                break
        else:
            break
    return path, value, error


def _refusal(part: Any) -> BaseException | None:
    try:
        pickle.loads(_pickled(part))
    except FAULTS as error:
        return error
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield f"[{shown_value(key, 40)}]", part
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            yield f"[{index}]", part
    elif isinstance(getattr(value, "__dict__", None), dict) and not isinstance(value, type):
        for name, part in vars(value).items():
            yield f".{name}", part
