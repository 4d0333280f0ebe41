"""Supervisor: a small parent of the process that runs user code, which tells how that one died when it cannot."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn

INTERNAL = 3
# What is sent to a group of processes comes twice, at once and by way of the parent: within so many seconds it is one.
ECHO = 0.1
UNWANTED = frozenset({"--pdb", "--help", "-h", "--version"})
DEBUGGERS = frozenset({"bdb", "pydevd", "debugpy"})
FAULTS = frozenset({signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT, signal.SIGSYS})
# Whoever ends a process by one of these wants it to end; all others are misfortunes.
ASKED = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE, signal.SIGALRM})

Say = Callable[[str], None]


class Watched:
    """The supervised process's word to its parent; without a parent it goes nowhere.

    Args:
        told: where the parent listens.
        mask: the signals that were blocked before there was a parent.
    """

    def __init__(self, told: int | None = None, mask: Iterable[int] | None = None) -> None:
        self._told = told
        self._mask = mask

    def let_signals_come(self) -> None:
        """Begin to be like any process; a signal that waits comes now."""
        if self._mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def may_go_on(self, how: str) -> None:
        """Say what to type to go on, should this process die."""
        self._write(f"go on: {how}\n")

    def ended(self, code: int) -> None:
        """Say that all came to its end, with an exit code."""
        self._write(f"end: {code}\n")

    def _write(self, line: str) -> None:
        if self._told is not None:
            with contextlib.suppress(OSError):  # a parent that was killed hears nothing
                os.write(self._told, line.encode("utf-8", "backslashreplace"))


def supervise(arguments: Sequence[str], say: Say) -> Watched:
    """Fork; go on in the child, with signals still blocked, and in the parent wait for its end and exit as it did.

    Nothing may have been imported, printed or started yet that two processes should not share. The
    parent never returns: it exits with the child's code, dies of the signal that was to end the
    child, or, where the child died by misfortune, has ``say`` told how and exits with 3.
    """
    if not _is_wanted(arguments):
        return Watched()
    if signal.getsignal(signal.SIGCHLD) is signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # else nobody could learn how a child ended
    heard, told = os.pipe()
    alive, lifeline = os.pipe()
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, _watched_signals())
    try:
        # What is pending would reach the parent only, and is better dealt with as long as there is one process.
        child = None if signal.sigpending() & ASKED else os.fork()
    except OSError:  # no more processes: it runs without
        child = None
    if child == 0:
        _close(heard, lifeline)
        _die_with(alive)
        os.set_blocking(told, False)
        return Watched(told, mask)
    _close(told, alive)
    if child is not None:
        _follow(child, heard, say)
    _close(heard, lifeline)
    return Watched(None, mask)


def _close(*numbers: int) -> None:
    for number in numbers:
        os.close(number)


def _is_wanted(arguments: Sequence[str]) -> bool:
    is_possible = hasattr(signal, "sigwaitinfo") and sys.platform == "linux"
    return is_possible and bool(arguments) and UNWANTED.isdisjoint(arguments) and DEBUGGERS.isdisjoint(sys.modules)


def _watched_signals() -> set[int]:
    """Return all signals but those that nobody can wait for, and those of a fault of the parent's own."""
    return {int(number) for number in signal.valid_signals()} - {signal.SIGKILL, signal.SIGSTOP} - FAULTS


# The child.


def _die_with(alive: int) -> None:
    """Let the system kill this process when its parent dies: a kill -9 of that one is meant for both."""
    import faulthandler
    import fcntl

    parent = os.getppid()
    fcntl.fcntl(alive, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(alive, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(alive, fcntl.F_SETFL, os.O_ASYNC)
    if parent != os.getppid():
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # a stderr that is no file
            faulthandler.enable(all_threads=False)  # a crash names the line of the step


# The parent.


def _follow(child: int, heard: int, say: Say) -> NoReturn:
    status = _end_of(child)
    code, how = _told(heard)
    if code is not None:
        # Nothing of this process is left to flush or clean up, which takes as long as the fork itself.
        os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else code)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) in ASKED:
        _die_of(os.WTERMSIG(status))
    say("\n".join([*_words(status), *how]))
    sys.exit(INTERNAL)


def _end_of(child: int) -> int:
    """Wait for the end of a child, passing on what this process is sent; stop when it stops."""
    while True:
        info = signal.sigwaitinfo(_watched_signals())
        pid, status = os.waitpid(child, os.WNOHANG | os.WUNTRACED)
        if pid and os.WIFSTOPPED(status):
            # The shell looks at this process only. What lets it go on is passed on, as any signal.
            os.kill(os.getpid(), signal.SIGSTOP)
        elif pid:
            return status
        # What the terminal sends has reached the child, too: it is of the same group.
        elif info.si_code <= 0 and info.si_pid != child and info.si_signo != signal.SIGCHLD:
            os.kill(child, info.si_signo)


def _told(heard: int) -> tuple[int | None, list[str]]:
    """Return the exit code that the child told, and how to go on."""
    os.set_blocking(heard, False)
    data = b""
    with contextlib.suppress(BlockingIOError):  # processes of its own may still hold the other end
        while part := os.read(heard, 65536):
            data += part
    lines = data.decode("utf-8", "replace").splitlines()
    codes = [int(line.removeprefix("end: ")) for line in lines if line.startswith("end: ")]
    return (codes[-1] if codes else None), [line for line in lines if line.startswith("go on: ")]


def _words(status: int) -> list[str]:
    if os.WIFEXITED(status):
        return [
            f"error: flowbuilder ended with exit code {os.WEXITSTATUS(status)} before it was through",
            "  hint: a step, a plugin or a library has called os._exit()",
        ]
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name
    if number == signal.SIGKILL:
        return [f"error: flowbuilder was killed by {name}", "  hint: if nobody did, memory ran out"]
    verb = "crashed with" if number in FAULTS else "was ended by"
    return [
        f"error: flowbuilder {verb} {name} ({signal.strsignal(number)})",
        '  hint: executor="process" runs a step where its crash is a failure like any other',
    ]


def _die_of(number: int) -> NoReturn:
    """End as the child did, so that whoever waits for this process sees the same."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the core of interest is the child's
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    sys.exit(128 + number)
