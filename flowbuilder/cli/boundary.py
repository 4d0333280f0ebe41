"""The error boundary: everything that goes wrong in a command becomes a message and an exit code here."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from typing import Any

import click

from flowbuilder.errors import FlowBuilderError, did_you_mean, shown

SUCCESS, FAILED, INTERRUPTED, INTERNAL, USAGE, NOTHING = range(6)
LONGEST_LINE = 1000
MOST_LINES = 60


def exit_code_of(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; whatever it raises has been told on stderr."""
    try:
        return int(command() or SUCCESS)
    except FlowBuilderError as error:
        say(f"error: {error}")
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        say(error.format_message())
        return USAGE
    except click.ClickException as error:
        say(f"error: {usage_text(error)}")
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        return SUCCESS
    except BaseException:  # the boundary: a bug of ours or of a plugin, SystemExit included
        say(traceback.format_exc().rstrip())
        say("internal error: this is a bug of FlowBuilder or of a plugin; please report it with the lines above")
        return INTERNAL


def say(text: str) -> None:
    """Print to stderr, foreign characters escaped; a closed stderr is no reason to fail."""
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        lines[MOST_LINES // 2 : -MOST_LINES // 2] = [f"  … {len(lines) - MOST_LINES} more lines …"]
    try:
        print(*(shown(line, LONGEST_LINE) for line in lines), sep="\n", file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def usage_text(error: click.ClickException) -> str:
    """Return what is wrong with a command line, and what to type."""
    message = shown(error.format_message(), LONGEST_LINE)
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "flowbuilder"
    return f"{message}\n  hint: {path} --help"
