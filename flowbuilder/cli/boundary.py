"""The error boundary: everything that goes wrong in a command becomes a message and an exit code here."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from flowbuilder.cli.output import reader_is_gone, say
from flowbuilder.errors import FlowBuilderError, near

SUCCESS, FAILED, INTERRUPTED, INTERNAL, USAGE = range(5)


def exit_code_of(command: Callable[[], Any]) -> int:
    """Run a command and return its exit code; what it raised has been told on stderr."""
    try:
        code = command()
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except FlowBuilderError as error:
        say(f"error: {near(str(error))}")
        return error.exit_code
    except click.ClickException as error:
        say(_usage(error))
        return USAGE
    except (KeyboardInterrupt, click.Abort):
        say("interrupted")
        return INTERRUPTED
    except BaseException as error:  # a bug, ours or a plugin's; it may raise anything, SystemExit included
        return _unexpected(error)
    return code if isinstance(code, int) else SUCCESS


def _unexpected(error: BaseException) -> int:
    if isinstance(error, BrokenPipeError) and reader_is_gone():
        return SUCCESS  # whoever reads the output has read enough, as in "| head -1"
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        say(f"error: {error.strerror}, for stdout or for a file that was asked for")
        return USAGE
    from traceback import format_exception

    own = lines_of_a_plugin(error.__traceback__)
    say("".join(format_exception(type(error), error, own or error.__traceback__)).rstrip())
    whose = "a bug of a plugin, in" if own else "a bug of FlowBuilder or of a plugin; please report it with"
    say(f"internal error: {whose} the lines above")
    return INTERNAL


def lines_of_a_plugin(lines: TracebackType | None) -> TracebackType | None:
    """Return what of a traceback is a plugin's own, where a hook of it was called last."""
    import pluggy

    called, ours = str(Path(pluggy.__file__).parent), str(Path(__file__).parent.parent)
    found = None
    while lines is not None:
        if lines.tb_frame.f_code.co_filename.startswith(called + os.sep):
            found = lines.tb_next
        lines = lines.tb_next
    is_ours = found is not None and found.tb_frame.f_code.co_filename.startswith(ours + os.sep)
    return None if is_ours else found


def _usage(error: click.ClickException) -> str:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    context = getattr(error, "ctx", None)
    words = [context.command_path, context.invoked_subcommand or ""] if context is not None else ["flowbuilder"]
    return f"error: {error.format_message()}\n  hint: {' '.join([*filter(None, words), '--help'])}"
