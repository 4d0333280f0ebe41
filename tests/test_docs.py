"""Every snippet of the documentation runs, every link resolves, and the reference is complete."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import flowbuilder
from docs.snippets import Command, blocks, commands, execute, matches
from flowbuilder import hookspecs

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"cli.md", "api.md", "hooks.md"}
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#]*)(?:#([^)]+))?\)")
# What a reader types once, on their own machine; that it names what exists is checked instead.
NOT_RUN = ("pip ", "make ", "cd ", "git ", "source ", "python -m venv ", "python3 -m venv ")


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_snippets_of_a_page_run_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.flowbuilder]\n", encoding="utf-8")
    exit_code = 0
    for block in blocks(page.read_text(encoding="utf-8")):
        if block.title:
            (tmp_path / block.title).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / block.title).write_text(block.text, encoding="utf-8")
        if block.language == "console":
            for command in commands(block):
                exit_code = check(command, tmp_path, exit_code)
    assert exit_code == 0, "the last command failed, and the page does not say so with echo $?"


def check(command: Command, folder: Path, previous: int) -> int:
    if command.line.startswith(NOT_RUN):
        return 0
    if command.line == "echo $?":
        assert command.shown == (str(previous),)
        return 0
    assert previous == 0, f"the command before {command.line!r} failed, and the page does not say so with echo $?"
    printed = execute(command.line, folder)
    text = "\n".join(printed.lines)
    assert printed.exit_code != 3, text
    assert not command.shown or matches(command.shown, printed.lines), f"$ {command.line}\n{text}"
    return printed.exit_code


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_python_block_is_a_file_that_something_on_its_page_uses(page: Path) -> None:
    found = list(blocks(page.read_text(encoding="utf-8")))
    typed = "\n".join(block.text for block in found if block.language in ("console", "python"))
    for block in found:
        # "py" marks a signature, which only generated pages show.
        assert block.language != "py" or page.name in GENERATED
        if block.language == "python":
            stem = Path(block.title).stem
            is_test = stem.startswith("test_") and "$ pytest" in typed
            assert stem and (is_test or re.search(rf"\b{re.escape(stem)}\b", typed)), block.text


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for target, anchor in LINK.findall(re.sub(r"```.*?^```", "", text, flags=re.M | re.S)):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{named(page)} links to {target}"
        assert not anchor or anchor in anchors(file), f"{named(page)} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.M)
    return {re.sub(r"[^\w]+", "-", re.sub(r"[`'’:…(),.?]", "", heading).strip().lower()).strip("-") for heading in headings}
