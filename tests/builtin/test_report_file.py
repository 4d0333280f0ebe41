"""A report is written whole or not at all, and where it cannot be, that is said before anything runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flowbuilder.builtin.report_file import ReportFile
from flowbuilder.errors import SettingsError
from flowbuilder.testing import FlowTester


def test_a_file_is_replaced_as_a_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    file.write_text("old")
    ReportFile("--junitxml", str(file)).write("new é")

    assert file.read_text(encoding="utf-8") == "new é"
    assert list(tmp_path.iterdir()) == [file]


def test_an_old_report_stays_when_the_new_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "report.xml"
    file.write_text("old")

    def full(*args: object, **words: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(SettingsError, match=r"^the file of --json cannot be written: OSError: .*No space left"):
        ReportFile("--json", str(file)).write("new")

    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    ReportFile("--json", str(link)).write("new")

    assert link.is_symlink()
    assert target.read_text() == "new"


def test_a_device_is_written_to_and_never_replaced() -> None:
    ReportFile("--json", os.devnull).write("new")
    assert Path(os.devnull).is_char_device()


@pytest.mark.parametrize(
    ("path", "what"),
    [
        (".", "the file of --json is a folder\n  got: .\n  hint: name a file in it"),
        ("no/x.json", "the file of --json is in a folder that does not exist\n  got: no/x.json\n  hint: mkdir -p no"),
        ("-", "the file of --json cannot be stdout\n  got: -\n  hint: name a file"),
        ("/proc/1/report.json", "the file of --json cannot be written: permission denied\n  got: /proc/1/report.json"),
    ],
)
def test_what_cannot_be_written_is_refused_at_once(path: str, what: str) -> None:
    with pytest.raises(SettingsError) as caught:
        ReportFile("--json", path)
    assert str(caught.value) == what


@pytest.mark.parametrize("folder", ["", "n" * 300 + "/"])
def test_a_name_that_is_too_long_is_refused_at_once(folder: str) -> None:
    with pytest.raises(SettingsError, match=r"^the file of --json cannot be written: OSError: .*name too long: 'nnn"):
        ReportFile("--json", folder + "n" * 300)


def test_a_name_that_is_just_short_enough_is_written_to(tmp_path: Path) -> None:
    file = tmp_path / ("é" * 127)
    ReportFile("--json", str(file)).write("new")

    assert file.read_text() == "new"


def test_two_reports_do_not_share_a_file(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    outcome = flowtester.run("run", "--json", "report", "--junitxml", "./report")

    assert outcome.exit_code == 4
    assert outcome.stderr == (
        "error: the file of --json is that of --junitxml too\n  got: report\n  hint: give each a file of its own\n"
    )
    assert flowtester.run("run", "--json", "/dev/null", "--junitxml", "/dev/null", "-qq").exit_code == 0


def test_a_report_that_cannot_be_printed_is_an_error(flowtester: FlowTester) -> None:
    flowtester.write("flow_one.py", "from flowbuilder import step\n@step\ndef one(): ...\n")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "flowbuilder", "run"], cwd=flowtester.path, stdout=full, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip

    assert done.stderr == "error: the report cannot be written: OSError: [Errno 28] No space left on device\n"
    assert done.returncode == 4
