"""The distributions: built as wheels, installed into a fresh environment without the source, and used together."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
FLOW = """
from flowbuilder import step

@step(each={"n": [1, 2, 3]})
def square(n: int) -> int:
    return n * n
"""

pytestmark = [pytest.mark.deep, pytest.mark.timeout(600)]


def printed(*command: str | Path, cwd: Path) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the host and every plugin."""
    folder = tmp_path_factory.mktemp("wheels")
    printed(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT, *PLUGINS, cwd=folder)
    return sorted(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheels: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of a fresh environment with all wheels."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    printed(folder / "bin" / "pip", "install", "-q", *wheels, cwd=folder)
    return folder / "bin"


def test_a_wheel_holds_the_package_and_its_licence_and_nothing_else(wheels: list[Path]) -> None:
    assert len(wheels) == 1 + len(PLUGINS)
    for wheel in wheels:
        distribution = wheel.name.split("-")[0]
        names = zipfile.ZipFile(wheel).namelist()
        assert {name.split("/")[0].split("-")[0].removesuffix(".py") for name in names} == {distribution}
        assert any(name.endswith("/LICENSE") for name in names)


def test_installed_plugins_are_found_without_being_named(installed: Path, tmp_path: Path) -> None:
    listed = printed(installed / "flowbuilder", "plugins", cwd=tmp_path)

    for plugin in PLUGINS:
        assert plugin.name.removeprefix("flowbuilder-") in listed


def test_an_installed_timeline_writes_a_trace(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "flow_squares.py").write_text(FLOW)
    printed(installed / "flowbuilder", "run", "flow_squares.py", "--timeline", "t.json", cwd=tmp_path)

    trace = json.loads((tmp_path / "t.json").read_text())
    assert sorted(one["name"] for one in trace if one["ph"] == "X") == ["square[0]", "square[1]", "square[2]"]


def test_an_installed_host_is_typed(installed: Path) -> None:
    place = printed(installed / "python", "-c", "import flowbuilder; print(flowbuilder.__path__[0])", cwd=installed)

    assert (Path(place.strip()) / "py.typed").is_file()
