"""The word ``cache=`` of a step, checked beside its other words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowbuilder.declare.cache import Cache
from flowbuilder.declare.signature import Signature, read_signature
from flowbuilder.declare.words import StepWords, checked_function
from flowbuilder.errors import DefinitionError, Where, did_you_mean, listed, shown_value

CONTRADICTIONS = {
    "until": "a step that is repeated waits for something to change, and a stored result would not",
    "undo": "a stored result does nothing again, so there would be nothing to undo",
}


def checked_cache(words: StepWords, signature: Signature, where: Where) -> Cache | None:
    """Return ``cache=``: None for False, and a key function as a ``Cache``."""
    cache: Any = words.get("cache", False)
    if cache is False:
        return None
    for word in ("until", "undo"):
        if words.get(word) is not None:
            raise DefinitionError(
                f"cache= and {word}= contradict each other",
                where=where,
                hint=CONTRADICTIONS[word],
            )
    if callable(cache) and not isinstance(cache, type):
        cache = Cache(cache)
    elif cache is True:
        cache = Cache()
    if not isinstance(cache, Cache):
        raise DefinitionError(
            "cache= is unknown",
            where=where,
            got=shown_value(cache),
            allowed="True, False, a key function, or Cache(key=…, version=…, expires=…)",
        )
    if cache.key is not None:
        _check_key(cache.key, signature, where)
    return cache


def _check_key(key: Callable[..., Any], signature: Signature, where: Where) -> None:
    checked_function("cache=", key, where)
    own = read_signature(key, where)
    if own.is_async:
        raise DefinitionError("the key function of cache= cannot be async", where=where, got=shown_value(key))
    names = [parameter.name for parameter in signature.parameters]
    for parameter in own.parameters:
        if parameter.name not in names:
            raise DefinitionError(
                f"the key function of cache= takes {parameter.name!r}, which is no parameter of the step",
                where=where,
                allowed=listed(names) or "the step has no parameters",
                hint=did_you_mean(parameter.name, names),
            )
