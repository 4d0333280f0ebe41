"""The command as a process: pipes, encodings, signals, completion."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from .conftest import REPORT

FLOWBUILDER = [sys.executable, "-m", "flowbuilder"]
WAITING = """
import pathlib, anyio
from flowbuilder import workflow

@workflow
async def waits():
    pathlib.Path("running").touch()
    await anyio.sleep(60)

@workflow
def never():
    pass
"""
HOLDING = """
import pathlib, anyio
from flowbuilder import workflow

both = []

async def wait():
    both.append(1)
    if len(both) == 2:
        pathlib.Path("running").touch()
    await anyio.sleep(60)

@workflow(priority=2, resources={"gpu": 1})
async def train(): await wait()

@workflow(priority=1, resources={"gpu": 1})
async def tune(): await wait()

@workflow
async def beside(): await wait()
"""
STUBBORN = """
import pathlib, time
from flowbuilder import workflow

@workflow
def stubborn():
    pathlib.Path("running").touch()
    time.sleep(60)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "flow_report.py").write_text(REPORT.replace("\n    ", "\n"))
    return tmp_path


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, in which ``flowbuilder`` is the command of this Python."""
    head = f'flowbuilder() {{ "{sys.executable}" -m flowbuilder "$@"; }}; set -o pipefail; '
    return subprocess.run(
        ["bash", "-c", head + line], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", ["list", "--help", "run --json -"])
def test_a_reader_that_goes_away_is_no_error(folder: Path, words: str, unbuffered: str) -> None:
    done = shell(folder, f"PYTHONUNBUFFERED={unbuffered} flowbuilder {words} 2>err | true && cat err")
    assert done.returncode == 0
    assert "Traceback" not in done.stdout
    assert "Broken pipe" not in done.stdout


@pytest.mark.parametrize("words", ["list", "run", "rnu", "--help"])
def test_closed_streams_are_no_error(folder: Path, words: str) -> None:
    assert shell(folder, f"flowbuilder {words} >&- 2>&-").returncode == (4 if words == "rnu" else 0)


def test_a_full_disk_is_told_by_what_answers_and_by_what_runs(folder: Path) -> None:
    asked = shell(folder, "flowbuilder graph >/dev/full")
    assert asked.returncode == 4
    assert asked.stderr == "error: No space left on device, for stdout or for a file that was asked for\n"
    ran = shell(folder, "flowbuilder run --json out.json >/dev/full")
    assert ran.returncode == 4
    assert ran.stderr == "error: the report cannot be written: OSError: [Errno 28] No space left on device\n"
    assert json.loads((folder / "out.json").read_text())["runs"][0]["status"] == "success"
    assert "Traceback" not in shell(folder, "flowbuilder --help >/dev/full").stderr


@pytest.mark.parametrize("setting", ["PYTHONIOENCODING=ascii", "LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0"])
def test_what_cannot_be_encoded_is_escaped(folder: Path, setting: str) -> None:
    done = shell(folder, f"export {setting}; flowbuilder graph")
    assert done.stdout == "report\n\\u2514\\u2500 double \\xd7 each item\n   \\u2514\\u2500 rows\n"


def test_bytes_that_are_no_text_are_shown_escaped(folder: Path) -> None:
    done = shell(folder, "flowbuilder run $'flow_\\xff.py'; flowbuilder run -P $'co\\xffunt=1'")
    assert done.stderr.startswith("error: there is no file or folder 'flow_\\udcff.py'\n")
    assert "error: there is no input named 'co\\udcffunt'\n" in done.stderr


def test_a_folder_that_is_gone_is_told(folder: Path) -> None:
    done = shell(folder, "mkdir gone; cd gone; rmdir ../gone; flowbuilder list; flowbuilder --help >/dev/null; echo $?")
    assert done.stderr == "error: the current folder does not exist any more\n  hint: cd to another folder\n"
    assert done.stdout == "0\n"


def test_nothing_of_the_environment_is_needed(folder: Path) -> None:
    done = shell(folder, f"env -i {sys.executable} -m flowbuilder run -q")
    assert (done.returncode, done.stderr) == (0, "")


def started(folder: Path, text: str, words: Sequence[str] = ("run", "--all", "-n", "1")) -> subprocess.Popen[str]:
    (folder / "flow_waiting.py").write_text(text)
    process = subprocess.Popen(
        [*FLOWBUILDER, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 20
    while not (folder / "running").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_and_those_after_it(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, WAITING)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 2
    assert err == ""
    assert "interrupted; not run: never\n" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_there_are_two_processes_is_an_interruption_too(folder: Path, number: signal.Signals) -> None:
    program = (
        "import signal, flowbuilder.__main__ as program\n"
        f"program.supervise = lambda *_: signal.raise_signal({number:d})\n"
        "program.entry()"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_all_workflows_that_run_at_once_and_those_that_wait(
    tmp_path: Path, number: signal.Signals, backend: str
) -> None:
    process = started(tmp_path, HOLDING, ("run", "--all", "--resource", "gpu=1", "--backend", backend))
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (2, "")
    assert "interrupted; not run: tune\n" in out
    assert f"note: cancelled: {number.name} (train, tune, beside)\n" in out
    assert "= interrupted: 2 cancelled, 1 skipped in " in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_the_process_by_its_default_action(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, STUBBORN)
    process.send_signal(number)
    time.sleep(0.3)  # the two must not be merged into one by the kernel
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == -number
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_outside_of_a_run_is_an_interruption_too(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, "import pathlib, time\npathlib.Path('running').touch()\ntime.sleep(60)\n", ["list"])
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (2, "", "interrupted\n")


def completed(folder: Path, line: str) -> list[str]:
    """Return what Tab offers at the end of a line, the kind before each."""
    words = line.split(" ")
    environ = {**os.environ, "_FLOWBUILDER_COMPLETE": "bash_complete", "COMP_WORDS": line}
    environ["COMP_CWORD"] = str(len(words) - 1)
    done = subprocess.run(FLOWBUILDER, cwd=folder, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("flowbuilder pl", ["plain,plan", "plain,plugins"]),
        ("flowbuilder run --jun", ["plain,--junitxml"]),
        ("flowbuilder run --backend ", ["plain,asyncio", "plain,trio"]),
        ("flowbuilder run flow_", ["file,flow_"]),
        ("flowbuilder run --params ", ["file,"]),
    ],
)
def test_tab_completes_commands_options_values_and_files(folder: Path, line: str, offered: list[str]) -> None:
    assert completed(folder, line) == offered


def test_tab_says_nothing_about_broken_settings(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[")
    assert completed(folder, "flowbuilder run --") == []


def test_the_script_for_a_shell_is_printed_and_an_unknown_shell_refused(folder: Path) -> None:
    done = shell(
        folder, "for s in bash zsh fish tcsh; do _FLOWBUILDER_COMPLETE=${s}_source flowbuilder | head -1; done"
    )
    assert "_flowbuilder_completion() {" in done.stdout
    assert done.stderr == (
        "error: _FLOWBUILDER_COMPLETE: there is no completion for 'tcsh'\n  allowed: bash, fish, zsh\n"
    )
