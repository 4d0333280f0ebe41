"""Cache says when a stored result stands; each wrong argument has its own message."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from flowbuilder import Cache
from flowbuilder.errors import DefinitionError

SECONDS = "2.5, timedelta(minutes=1), or None for no limit"


def test_a_cache_has_the_words_it_was_given() -> None:
    cache = Cache(repr, version=2, expires=timedelta(minutes=1))
    assert (cache.key, cache.version, cache.seconds) == (repr, 2, 60.0)
    assert Cache().seconds is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"key": "x"}, "Cache(key=…) takes a function\n  got: 'x'\n  allowed: def or lambda"),
        ({"key": str}, "Cache(key=…) takes a function\n  got: <class 'str'>\n  allowed: def or lambda"),
        ({"version": 1.5}, 'Cache(version=…) takes a text or a whole number\n  got: 1.5\n  allowed: "2", 2'),
        ({"version": True}, 'Cache(version=…) takes a text or a whole number\n  got: True\n  allowed: "2", 2'),
        ({"expires": 0}, f"Cache(expires=…) takes seconds above 0 or a timedelta\n  got: 0\n  allowed: {SECONDS}"),
        (
            {"expires": "1d"},
            f"Cache(expires=…) takes seconds above 0 or a timedelta\n  got: '1d'\n  allowed: {SECONDS}",
        ),
    ],
)
def test_a_wrong_argument_is_refused(words: dict[str, Any], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Cache(**words)
    assert str(caught.value) == message
