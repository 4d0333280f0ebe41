"""Structured values: JSON-shaped data made into dataclasses and models; the only importer of msgspec."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from flowbuilder.errors import did_you_mean, listed, shown, shown_value
from flowbuilder.plan.scalars import Unfit
from flowbuilder.plan.strictjson import strict_json


def is_pydantic(kind: Any) -> bool:
    """Return whether pydantic validates this class; nothing can be a model while pydantic is not imported."""
    if "pydantic" not in sys.modules or not isinstance(kind, type):
        return False
    return hasattr(kind, "__pydantic_validator__") or hasattr(kind, "__get_pydantic_core_schema__")


def model_of_text(text: str, kind: Any) -> Any:
    """Return what pydantic makes of a text: JSON for a model, the text itself for types such as ``SecretStr``."""
    if hasattr(kind, "__pydantic_validator__"):
        strict_json(text)
        return _validated(kind, "validate_json", text)
    return _validated(kind, "validate_python", text)


def model_of_data(data: Any, kind: Any) -> Any:
    """Return what pydantic makes of JSON-shaped data."""
    return _validated(kind, "validate_python", data)


def _validated(kind: Any, method: str, given: Any) -> Any:
    pydantic: Any = sys.modules["pydantic"]
    try:
        return getattr(pydantic.TypeAdapter(kind), method)(given)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unfit(shown(f"{place}: {first['msg']}" if place else first["msg"])) from error


def record_of(data: Any, note: Any, other: Callable[[Any, Any], Any]) -> Any:
    """Return JSON-shaped data as a dataclass, TypedDict, NamedTuple, attrs class or Struct.

    ``other(data, kind)`` makes what msgspec does not know, such as a ``Path``.

    Raises:
        Unfit: for a field missing, unknown or of the wrong type. ``__post_init__`` may raise anything.
    """
    import msgspec

    def made(kind: Any, value: Any) -> Any:
        return other(value, kind)

    try:
        _refuse_strangers(data, msgspec.inspect.type_info(note), "")
        return msgspec.convert(data, note, strict=False, dec_hook=made)
    except msgspec.ValidationError as error:
        raise Unfit(shown(str(error).replace(" - at `$.", " - at `"))) from error
    except (TypeError, NameError) as error:
        raise Unfit(
            f"this type cannot be made from JSON: {shown(error)}", hint="give it from code: params={…}"
        ) from error


def _refuse_strangers(data: Any, info: Any, path: str) -> None:
    """Refuse fields that a record does not have: msgspec drops them, and a slip would go unseen."""
    options = [one for one in getattr(info, "types", (info,)) if _is_container(one)]
    if len(options) != 1:
        return  # of several records, which one is meant is for msgspec to find
    info = options[0]
    fields = getattr(info, "fields", None)
    if isinstance(data, dict) and fields is not None:
        known = {field.encode_name: field.type for field in fields}
        for name, value in data.items():
            if name not in known:
                raise Unfit(
                    f"there is no field {shown_value(path + name)}",
                    hint=did_you_mean(name, known) or f"its fields are {listed(known)}",
                )
            _refuse_strangers(value, known[name], f"{path}{name}.")
    elif isinstance(data, dict) and hasattr(info, "value_type"):
        for name, value in data.items():
            _refuse_strangers(value, info.value_type, f"{path}{name}.")
    elif isinstance(data, list) and hasattr(info, "item_type"):
        for index, value in enumerate(data):
            _refuse_strangers(value, info.item_type, f"{path}{index}.")


def _is_container(info: Any) -> bool:
    return any(hasattr(info, attribute) for attribute in ("fields", "item_type", "value_type"))
