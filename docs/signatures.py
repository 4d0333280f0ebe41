"""Signatures of functions and classes as a reader should see them."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

LONGEST = 96
KEYWORDS = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)
UNPACK = re.compile(r"^Unpack\[(\w+)\]$")


def signature_of(fn: Callable[..., Any], name: str, *, spell_out: bool = False) -> str:
    """Return ``name(…) -> …``, on one line or with a parameter to a line.

    ``spell_out`` puts the words of a TypedDict in the place of ``**words``.
    """
    signature = inspect.signature(fn)
    annotation = signature.return_annotation
    returns = "" if annotation is inspect.Signature.empty else f" -> {_annotation(annotation)}"
    return _laid_out(name, list(_parameters(signature, fn, spell_out)), returns)


def decorator_of(fn: Callable[..., Any], name: str) -> str:
    """Return ``@name(…)`` with the words that the decorator takes."""
    signature = inspect.signature(fn)
    words = [one for one in signature.parameters.values() if one.kind in KEYWORDS]
    return _laid_out(f"@{name}", list(_parameters(signature.replace(parameters=words), fn, True)), "")


def _laid_out(name: str, parameters: list[str], returns: str) -> str:
    line = f"{name}({', '.join(parameters)}){returns}"
    if len(line) <= LONGEST:
        return line
    return "\n".join([f"{name}(", *(f"    {one}," for one in parameters), f"){returns}"])


def _parameters(signature: inspect.Signature, fn: Callable[..., Any], spell_out: bool) -> Iterator[str]:
    """Yield the parameters as text, with ``*`` before keyword-only ones."""
    is_marked = False
    for one in signature.parameters.values():
        words = UNPACK.match(str(one.annotation))
        is_keyword = one.kind is inspect.Parameter.KEYWORD_ONLY or (words is not None and spell_out)
        if is_keyword and not is_marked:
            is_marked = True
            yield "*"
        if words and spell_out:
            yield from (f"{name}: {_annotation(note)} = …" for name, note in _words(words[1], fn).items())
        elif one.name not in ("self", "cls"):
            yield f"**{one.name}" if words else _parameter(one)


def _parameter(parameter: inspect.Parameter) -> str:
    text = str(parameter.replace(annotation=inspect.Parameter.empty, default=inspect.Parameter.empty))
    if parameter.annotation is not inspect.Parameter.empty:
        text += f": {_annotation(parameter.annotation)}"
    if parameter.default is inspect.Parameter.empty:
        return text
    return f"{text}{' = ' if ':' in text else '='}{parameter.default!r}"


def _words(name: str, fn: Callable[..., Any]) -> dict[str, Any]:
    """Return the keys of a TypedDict, inherited ones included, and their annotations as written."""
    inner = inspect.unwrap(getattr(fn, "__func__", fn))
    words = vars(sys.modules[inner.__module__])[name]
    return {key: getattr(note, "__forward_arg__", note) for key, note in words.__annotations__.items()}


def _annotation(note: Any) -> str:
    text = note if isinstance(note, str) else inspect.formatannotation(note)
    return text.replace("typing.", "").replace("collections.abc.", "")
