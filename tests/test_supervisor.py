"""How a command dies is told by a small parent of it, which else is as if it were not there."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="commands are supervised on Linux"),
    pytest.mark.usefixtures("unmeasured"),
]

FLOW = """
import ctypes, os, signal, time
from pathlib import Path
from flowbuilder import Context, step

@step
def fine() -> int:
    return 1

@step
def fails() -> int:
    raise ValueError

@step
def exits() -> None:
    os._exit(0)

@step
def crashes() -> None:
    ctypes.string_at(0)

@step
def is_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)

@step
def is_terminated() -> None:
    os.kill(os.getpid(), signal.SIGHUP)

@step
def sleeps(ctx: Context) -> None:
    Path("started").write_text(str(os.getpid()))
    try:
        while not Path("go").exists():
            time.sleep(0.005)
            ctx.check_cancelled()
    except Exception:
        time.sleep(0.3)  # a second signal would come meanwhile
        raise

@step
def stays() -> None:
    Path("started").write_text(str(os.getpid()))
    while not Path("go").exists():
        time.sleep(0.005)

@step(executor="inline")
def hears() -> None:
    signal.signal(signal.SIGWINCH, lambda *_: Path("heard").touch())
    Path("started").write_text(str(os.getpid()))
    while not Path("heard").exists():
        time.sleep(0.005)
"""
COMMAND = [sys.executable, "-m", "flowbuilder", "run"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("[tool.flowbuilder]\n")
    (tmp_path / "flow_steps.py").write_text(FLOW)
    return tmp_path


def without(text: str, ending: str) -> str:
    """Return what is said before the last line, which has to match."""
    before, _, last = text.rstrip("\n").rpartition("\n")
    assert re.fullmatch(ending, last)
    return before + "\n"


GO_ON = r"go on: flowbuilder resume \S+"


def run(folder: Path, step: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, f"flow_steps.py::{step}", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=False)


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def started_in(folder: Path) -> int:
    """Return the process in which a step has started."""
    file = folder / "started"
    until(lambda: file.exists() and file.read_text())
    return int(file.read_text())


def is_there(pid: int) -> bool:
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture
def started(folder: Path, request: pytest.FixtureRequest) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Return a command whose step runs, and the process that runs it."""
    process = subprocess.Popen(
        [*COMMAND, f"flow_steps.py::{getattr(request, 'param', 'sleeps')}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    child = started_in(folder)
    assert child != process.pid
    yield process, child
    (folder / "go").touch()
    process.kill()
    process.communicate()
    until(lambda: not is_there(child))


# Endings.


@pytest.mark.parametrize(("step", "code"), [("fine", 0), ("fails", 1), ("nowhere", 4)])
def test_a_command_that_ends_in_order_exits_with_its_own_code(folder: Path, step: str, code: int) -> None:
    done = run(folder, step)
    assert done.returncode == code
    assert "before it was through" not in done.stderr


def test_an_exit_behind_its_back_is_no_success(folder: Path) -> None:
    done = run(folder, "exits")
    assert done.returncode == 3
    assert without(done.stderr, GO_ON) == (
        "error: flowbuilder ended with exit code 0 before it was through\n"
        "  hint: a step, a plugin or a library has called os._exit()\n"
    )


def test_a_crash_is_told_with_the_line_of_the_step(folder: Path) -> None:
    done = run(folder, "crashes")
    assert done.returncode == 3
    assert f'File "{folder / "flow_steps.py"}", line 20 in crashes' in done.stderr
    assert without(done.stderr, GO_ON).endswith(
        "error: flowbuilder crashed with SIGSEGV (Segmentation fault)\n"
        '  hint: executor="process" runs a step where its crash is a failure like any other\n'
    )


def test_a_process_that_was_killed_is_told(folder: Path) -> None:
    done = run(folder, "is_killed")
    assert done.returncode == 3
    assert (
        without(done.stderr, GO_ON)
        == "error: flowbuilder was killed by SIGKILL\n  hint: if nobody did, memory ran out\n"
    )


def test_what_is_typed_to_go_on_goes_on(folder: Path) -> None:
    died = run(folder, "is_killed")
    words = died.stderr.splitlines()[-1].removeprefix("go on: flowbuilder ").split()
    (folder / "flow_steps.py").write_text(FLOW.replace("os.kill(os.getpid(), signal.SIGKILL)", "pass"))
    done = subprocess.run([*COMMAND[:-1], *words], cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    assert "1 succeeded" in done.stdout


def test_without_a_store_there_is_nothing_to_go_on_with(folder: Path) -> None:
    assert "go on" not in run(folder, "is_killed", "--no-store").stderr


def test_who_is_ended_by_a_signal_that_asks_for_it_ends_by_it(folder: Path) -> None:
    done = run(folder, "is_terminated")
    assert (done.returncode, done.stderr) == (-signal.SIGHUP, "")


# Signals.


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_the_parent_stops_the_run_in_order(
    started: tuple[subprocess.Popen[str], int], number: signal.Signals
) -> None:
    process, child = started
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (2, "")
    assert "interrupted: " in out
    assert not is_there(child)


def test_a_signal_to_the_whole_group_is_one_signal(started: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = started
    os.killpg(process.pid, signal.SIGTERM)
    process.communicate(timeout=20)
    assert process.returncode == 2


@pytest.mark.parametrize("started", ["stays"], indirect=True)
def test_a_second_signal_ends_it_by_that_signal(started: tuple[subprocess.Popen[str], int]) -> None:
    process, child = started
    deadline = time.monotonic() + 15
    while process.poll() is None and time.monotonic() < deadline:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.02)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (-signal.SIGTERM, "")
    assert not is_there(child)


def test_a_kill_of_the_parent_is_one_of_both(started: tuple[subprocess.Popen[str], int]) -> None:
    process, child = started
    process.kill()
    process.communicate()
    until(lambda: not is_there(child))


@pytest.mark.parametrize("started", ["hears"], indirect=True)
def test_any_other_signal_reaches_the_steps(started: tuple[subprocess.Popen[str], int]) -> None:
    process, _ = started
    process.send_signal(signal.SIGWINCH)
    process.communicate(timeout=20)
    assert process.returncode == 0


def state(pid: int) -> str:
    return psutil.Process(pid).status()


def test_what_stops_and_goes_on_stops_and_goes_on_as_one(
    started: tuple[subprocess.Popen[str], int], folder: Path
) -> None:
    process, child = started
    os.kill(child, signal.SIGSTOP)
    until(lambda: state(process.pid) == state(child) == psutil.STATUS_STOPPED)
    process.send_signal(signal.SIGCONT)
    until(lambda: psutil.STATUS_STOPPED not in (state(process.pid), state(child)))
    (folder / "go").touch()
    process.communicate(timeout=20)
    assert process.returncode == 0


# A terminal.


class Typed:
    """A shell on a terminal of its own."""

    def __init__(self, folder: Path) -> None:
        self.pid, self._number = pty.fork()
        if not self.pid:
            os.chdir(folder)
            os.execvpe("bash", ["bash", "--norc", "-i"], {**os.environ, "PS1": "$ ", "TERM": "dumb"})
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._number, text.encode())

    def wait_for(self, pattern: str) -> str:
        deadline = time.monotonic() + 20
        while not (found := re.search(pattern, self.seen)):
            assert time.monotonic() < deadline, self.seen
            if select.select([self._number], [], [], 0.1)[0]:
                self.seen += os.read(self._number, 65536).decode()
        self.seen = self.seen[found.end() :]
        return found[0]

    def close(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self._number)


@pytest.fixture
def shell(folder: Path) -> Iterator[Typed]:
    typed = Typed(folder)
    yield typed
    (folder / "go").touch()
    typed.close()


def test_ctrl_c_in_a_terminal_is_one_signal(shell: Typed, folder: Path) -> None:
    shell.type(f"{sys.executable} -m flowbuilder run flow_steps.py::sleeps; echo code=$?\n")
    started_in(folder)
    shell.type("\x03")
    assert shell.wait_for(r"code=\d+") == "code=2"


@pytest.mark.parametrize("is_typed", [True, False])
def test_ctrl_z_and_fg_work_as_with_any_program(shell: Typed, folder: Path, is_typed: bool) -> None:
    shell.type(f"{sys.executable} -m flowbuilder run flow_steps.py::sleeps\n")
    child = started_in(folder)
    if is_typed:
        shell.type("\x1a")
    else:
        os.kill(psutil.Process(child).ppid(), signal.SIGTSTP)
    shell.wait_for("Stopped")
    assert state(child) == psutil.STATUS_STOPPED
    shell.type("fg\n")
    until(lambda: state(child) != psutil.STATUS_STOPPED)
    (folder / "go").touch()
    shell.wait_for("1 succeeded")
    shell.type("echo code=$?\n")
    assert shell.wait_for(r"code=\d+") == "code=0"


def test_a_command_before_a_pipe_leaves_the_terminal_to_the_others(shell: Typed) -> None:
    shell.type(f"{sys.executable} -m flowbuilder run flow_steps.py::fine | (cat; read x < /dev/tty; echo got=$x)\n")
    shell.wait_for("1 succeeded")
    shell.type("word\n")
    assert shell.wait_for(r"got=\w+") == "got=word"


# Who goes without.


@pytest.mark.parametrize("words", [["--pdb"], []])
def test_a_debugger_goes_without(folder: Path, words: list[str]) -> None:
    (folder / "flow_who.py").write_text(
        "import os\nfrom pathlib import Path\nfrom flowbuilder import step\n"
        "@step\ndef who() -> None:\n    Path('parent').write_text(str(os.getppid()))\n"
    )
    command = [*COMMAND, "flow_who.py", *words]
    subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=30, check=True)
    assert ((folder / "parent").read_text() == str(os.getpid())) is bool(words)
