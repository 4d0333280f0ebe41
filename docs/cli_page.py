"""The pages on the command line and the settings, from the click commands and their options."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import click

from docs.docstrings import code
from flowbuilder.cli.catalog import COMMANDS, fresh
from flowbuilder.cli.group import make_group
from flowbuilder.cli.project import key_of
from flowbuilder.cli.setup import Setup

INTRODUCTION = """# Command line

The options of `run` from `-q` to `--json` come from built-in plugins. Other plugins add theirs:
`flowbuilder run --help` shows all.

Every option of `run` can be set in [`pyproject.toml`](settings.md). The [exit code](exit-codes.md) says how a command
ended.
"""
SETTINGS = """# Settings

Settings stand in the table `[tool.flowbuilder]` of the nearest `pyproject.toml`. Its folder is the **root**: the flow
files below it can import modules that lie in it.

```toml title="pyproject.toml"
[tool.flowbuilder]
paths = ["flows"]
max-concurrency = 4
step-timeout = 60

[tool.flowbuilder.params]
region = "north"

[tool.flowbuilder.resources]
db = 2
```

```python title="flows/flow_where.py"
from flowbuilder import step


@step
def where(region: str) -> str:
    return region
```

```console
$ flowbuilder plan
```

Every option of `run` is a setting of the same name, those of plugins too. The command line goes over the workflow's own
`config`, which goes over these settings; for `resources` name by name. An unknown setting, or a wrong value,
is an error that names its line.

Values of inputs, `params`, are for whichever workflow takes them. From weak to strong they come from: `pyproject.toml`,
the environment, `--params` files, `-P`. A table in it is the value of an input, or has those of a
[sub-workflow](../how-to/compose-workflows.md).

| setting | takes | |
|---|---|---|
"""
ENVIRONMENT = """
## Environment

| variable | |
|---|---|
| `FLOWBUILDER_PARAM_NAME` | the value of the input `name` |
| `FLOWBUILDER_DISABLE_PLUGIN_AUTOLOAD` | if set, installed plugins are not loaded by themselves |
| `NO_COLOR`, `FORCE_COLOR` | without, or with, colours |
| `COLUMNS` | the width of the report |
"""


def cli_page() -> str:
    """Return the page on the commands."""
    setup = Setup([])
    group = make_group()
    lines = [INTRODUCTION, *_command("flowbuilder", group, setup)]
    for name in COMMANDS:
        command = setup.run_command if name == "run" else fresh(name)
        lines += ["", *_command(f"flowbuilder {name}", command, setup)]
    return "\n".join(lines).rstrip() + "\n"


def settings_page() -> str:
    """Return the page on the settings."""
    rows = [
        f"| `{key}` | {_cell(_kind(param))} | {_cell(_help(param))} |"
        for param in Setup([]).run_command.params
        if (key := key_of(param))
    ]
    tables = [
        "| `params` | a table | Values of inputs by name. |",
        "| `resources` | a table | How much there is of each resource. |",
    ]
    return SETTINGS + "\n".join([*rows, *tables]) + "\n" + ENVIRONMENT


def _command(path: str, command: click.Command, setup: Setup) -> Iterator[str]:
    context = click.Context(command, info_name=path, obj=setup)
    yield from (f"## {path}", "", "```text", context.get_usage().removeprefix("Usage: "), "```", "")
    for paragraph in (command.help or "").split("\n\n"):
        yield from (_marked(" ".join(paragraph.split())), "")
    yield from ("| option | |", "|---|---|")
    for param in _options(command.get_params(context)):
        yield f"| {_names(param)} | {_cell(_help(param))} |"


def _options(params: Iterable[click.Parameter]) -> list[click.Option]:
    return [param for param in params if isinstance(param, click.Option) and not param.hidden]


def _names(param: click.Option) -> str:
    metavar = "" if param.is_flag or param.count else f" {param.make_metavar(click.Context(click.Command('')))}"
    return ", ".join(code(f"{name}{metavar}") for name in param.opts)


def _help(param: click.Parameter) -> str:
    if isinstance(param, click.Argument):
        return "Files and folders to look into where the command line names none."
    assert isinstance(param, click.Option)
    default = param.default
    has_default = isinstance(default, str | int | float) and not isinstance(default, bool) and not param.count
    return (param.help or "") + (f" Default: {default}." if has_default else "")


def _kind(param: click.Parameter) -> str:
    if param.multiple or param.nargs == -1:
        return "a list of words"
    if isinstance(param.type, click.Choice):
        return " or ".join(f'`"{choice}"`' for choice in param.type.choices)
    if getattr(param, "count", False) or isinstance(param.type, click.types.IntParamType):
        return "a whole number"
    if getattr(param, "is_flag", False):
        return "`true` or `false`"
    return "a number" if isinstance(param.type, click.types.FloatParamType) else "text"


def _cell(text: str) -> str:
    return _marked(text).replace("|", "&#124;")


def _marked(text: str) -> str:
    """Return a text with the options in it as code."""
    return re.sub(r"(?<![\w`-])(--?[a-zA-Z][\w-]*)", r"`\1`", text)
