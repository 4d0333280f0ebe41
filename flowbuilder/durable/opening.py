"""Opening: the store that ``store=`` or ``--store`` means."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from flowbuilder.errors import DefinitionError, StoreError, shown_value
from flowbuilder.store.contract import Store

if TYPE_CHECKING:
    import pluggy

Durability = Literal["full", "normal"]


def open_store(given: Any, host: pluggy.PluginManager | None, durability: Durability = "full") -> tuple[Store, bool]:
    """Return a store, and whether it was opened here and is to be closed.

    ``given`` is a ``Store``, the path of a file, or a URL that a plugin knows.

    Raises:
        StoreError: when it cannot be used, or no plugin knows the URL.
        DefinitionError: when it is none of these.
    """
    if isinstance(given, str) and "://" in given:
        found = host.hook.flowbuilder_store(url=given) if host is not None else None
        if found is None:
            raise StoreError(
                "no plugin keeps runs there", got=shown_value(given), hint="load it with -p, or give a file"
            )
        return found, True
    if isinstance(given, str | Path):
        from flowbuilder.store.sqlite import SqliteStore

        return SqliteStore(given, durability), True
    if all(hasattr(given, name) for name in ("claim", "write", "runs", "units")):
        return given, False
    raise DefinitionError(
        "store= takes a store", got=shown_value(given), allowed="the path of a file, a URL of a plugin, or a Store"
    )
