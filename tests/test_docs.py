"""Every snippet of the documentation runs, every link resolves, and the reference is complete."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import flowbuilder
from docs.generate import outdated
from docs.hook_page import hooks
from docs.snippets import blocks, commands, executed, matches, pages
from flowbuilder import errors
from flowbuilder.declare.words import StepWords

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = pages()
GENERATED = {"api.md", "cli.md", "hooks.md", "settings.md"}
CODE = re.compile(r"```.*?^```$|`[^`\n]+`", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)")
WORDS = (
    "step", "workflow", "sub-workflow", "definition", "input", "provider", "resource", "registry", "collect", "plan",
    "batch", "run",
    "attempt", "round", "item", "executor", "engine", "lane", "result", "status", "timeout", "priority",
    "upstream / downstream", "hook", "hookspec", "hookimpl", "plugin", "built-in plugin", "flow file", "run store",
    "resume", "rerun", "tags",
)  # fmt: skip
SYNONYMS = re.compile(r"\b(?:task|job|stage|listener|callback|handler|util|helper)s?\b", re.I)


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("page", PAGES, ids=named)
def test_the_snippets_of_a_page_run_and_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    previous = 0
    for _, ran in executed(text_of(page), tmp_path):
        for command, printed in ran:
            text = f"$ {command.line}\n" + "\n".join(printed.lines)
            asks = command.line == "echo $?"
            assert asks or previous == 0, f"the command before this one failed, and no echo $? says so: {text}"
            assert printed.exit_code != 3, text
            assert not (command.shown or asks) or matches(command.shown, printed.lines), text
            previous = printed.exit_code
    assert previous == 0, "the last command failed, and no echo $? says so"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_python_block_is_a_file_that_its_page_uses(page: Path) -> None:
    found = list(blocks(text_of(page)))
    typed = "\n".join(block.text for block in found if block.language in ("console", "python"))
    for block in found:
        # "py" marks a signature, which only generated pages show.
        assert block.language != "py" or page.name in GENERATED
        if block.language == "python":
            stem = Path(block.title).stem
            is_test = stem.startswith("test_") and "$ pytest" in typed
            is_found = re.search(r"^\$ flowbuilder \w+(?: -|$)", typed, re.M) is not None
            assert is_test or is_found or re.search(rf"\b{stem}\b", typed), f"nothing runs {block.title or block.text}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_what_is_not_run_names_what_exists(page: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    for block in blocks(text_of(page)):
        for command in commands(block):
            if command.line.startswith("make "):
                assert f"\n{command.line.removeprefix('make ')}:" in makefile


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for target, anchor in LINK.findall(CODE.sub("", text_of(page))):
        file = (page.parent / target).resolve() if target else page
        assert file.exists(), f"{named(page)} links to {target}"
        assert not anchor or anchor in anchors(file), f"{named(page)} links to {target}#{anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text_of(page), flags=re.M)
    plain = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", heading) for heading in plain}


@pytest.mark.parametrize("word", sorted(StepWords.__annotations__))
def test_each_word_of_a_step_is_told_where_it_is_declared_and_where_it_is_built(word: str) -> None:
    declared = str(flowbuilder.step.__doc__)
    built = (DOCS / "how-to" / "use-from-code.md").read_text(encoding="utf-8")
    assert f"``{word}" in declared
    assert word == "name" or f"`{word}`" in built.partition("takes the words of")[2].partition("\n\n")[0]


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_a_page_uses_the_words_of_the_glossary(page: Path) -> None:
    prose = CODE.sub("", text_of(page)).replace("Elsewhere it may be called a task.", "")

    assert SYNONYMS.findall(prose) == []


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_files_of_the_repository_that_a_page_names_exist(page: Path) -> None:
    for name in re.findall(r"`((?:examples|plugins|flowbuilder|tests|docs)/[\w./-]+)`", text_of(page)):
        assert name == "plugins/flowbuilder-NAME/" or (ROOT / name).exists()


def test_the_glossary_has_every_word() -> None:
    terms = re.findall(r"^\| \*\*(.+)\*\* \|", text_of(DOCS / "reference" / "glossary.md"), re.M)

    assert terms == sorted(WORDS)


def test_the_generated_pages_are_up_to_date() -> None:
    assert outdated() == [], "run: python -m docs.generate"


def test_the_api_page_has_every_public_name_and_error() -> None:
    page = text_of(DOCS / "reference" / "api.md")
    headings = re.findall(r"^### (.+)$", page, re.M)

    assert set(flowbuilder.__all__) <= set(headings)
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, errors.FlowBuilderError):
            assert f"| `{name}` |" in page or f"### {name}\n" in page


def test_every_hook_is_in_the_reference_and_in_the_diagram() -> None:
    page, diagram = text_of(DOCS / "reference" / "hooks.md"), text_of(DOCS / "assets" / "hook-order.svg")

    for hook in hooks():
        assert f"### {hook.name}\n" in page
        assert f">{hook.name.removeprefix('flowbuilder_')}<" in diagram


def test_every_page_is_in_the_navigation() -> None:
    navigation = text_of(ROOT / "mkdocs.yml")

    for page in DOCS.rglob("*.md"):
        assert f" {page.relative_to(DOCS)}\n" in navigation


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("unmeasured")
def test_the_site_builds_without_a_warning_and_asks_no_other_host_for_anything(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")

    for page in tmp_path.rglob("*.html"):
        assert re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=\"?(?:https?:)?//[^>]*>", text_of(page)) == []


def test_a_pattern_stands_for_lines_text_and_times() -> None:
    printed = ("root: here", "one", "two", "3 succeeded in 0.42 s")

    assert matches(("root: …", "…", "3 succeeded in 1.00 s"), printed)
    assert not matches(("root: …", "3 succeeded in 1.00 s"), printed)
    assert not matches(("…", "4 succeeded in 1.00 s"), printed)
