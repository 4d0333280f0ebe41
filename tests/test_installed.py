"""Installed plugins: a glance says whether importlib.metadata has to be asked at all."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from flowbuilder.installed import installed_plugins, may_be_installed

LOUD = "[flowbuilder]\nloud = loud\n"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of the path, with no other finder of distributions than Python's own."""
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.setattr(sys, "meta_path", [one for one in sys.meta_path if not hasattr(one, "find_distributions")])
    return tmp_path


def offer(folder: Path, info: str, text: str) -> None:
    (folder / info).mkdir()
    (folder / info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.2\n")
    (folder / info / "entry_points.txt").write_text(text)


@pytest.mark.parametrize("text", ["", "[console_scripts]\nflowbuilder = loud\n", "[flowbuilder.more]\nloud = loud\n"])
def test_a_distribution_without_plugins_is_passed_over(site: Path, text: str) -> None:
    offer(site, "loud-1.2.dist-info", text)
    assert not may_be_installed()
    assert installed_plugins() == {}


@pytest.mark.parametrize("info", ["loud-1.2.dist-info", "loud.egg-info", "EGG-INFO"])
def test_a_plugin_is_seen_wherever_a_distribution_says_so(site: Path, info: str) -> None:
    offer(site, info, LOUD)
    assert may_be_installed()


def test_plugins_are_found_by_name(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(site, "loud-1.2.dist-info", LOUD + "also = loud\n")
    monkeypatch.undo()
    monkeypatch.syspath_prepend(site)
    assert [name for name in installed_plugins() if name in ("also", "loud")] == ["also", "loud"]


def test_an_archive_or_a_finder_of_somebody_else_may_hold_plugins(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        def find_distributions(self) -> None: ...

    assert not may_be_installed()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
        assert may_be_installed()
    with zipfile.ZipFile(site / "all.zip", "w") as archive:
        archive.writestr("loud.py", "")
    monkeypatch.setattr(sys, "path", [str(site / "all.zip")])
    assert may_be_installed()


def test_a_folder_that_is_not_there_holds_nothing(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(site / "gone")])
    assert not may_be_installed()
