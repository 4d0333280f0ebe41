"""Environment: values for inputs from the variables of the process."""

from __future__ import annotations

from collections.abc import Mapping

from flowbuilder.errors import InputError, shown, shown_value
from flowbuilder.plan.given import Text

PREFIX = "FLOWBUILDER_PARAM_"


def environment_params(environ: Mapping[str, str]) -> dict[str, Text]:
    """Return the values of ``FLOWBUILDER_PARAM_NAME`` variables by input name, which is in small letters.

    Two underscores may stand for the point of a qualified name: ``FLOWBUILDER_PARAM_SALES__PATH``
    is for ``sales__path`` and for ``sales.path``.

    Raises:
        InputError: when two variables differ only in capital letters and disagree.
    """
    found: dict[str, Text] = {}
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not name:
            continue
        value = Text(environ[variable], "environment")
        if found.setdefault(name, value) != value:
            raise InputError(
                f"two environment variables give the input {shown_value(name)} different values",
                got=shown(variable),
                hint=f"keep one: {shown(PREFIX + name.upper())}",
            )
    return {name.replace("__", "."): value for name, value in found.items()} | found


def variable_of(name: str) -> str:
    """Return the variable that gives an input its value, empty where none can: names are read in small letters."""
    variable = PREFIX + name.upper().replace(".", "__")
    return variable if name in environment_params({variable: ""}) else ""
