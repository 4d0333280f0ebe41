"""The documentation shows what was measured, and nothing that somebody typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.measured import load
from tests.benchmarks.publish import PUBLISHED, pages

FILES = list(pages(load(PUBLISHED)))


@pytest.mark.parametrize(("file", "content"), FILES, ids=[file.name for file, _ in FILES])
def test_a_page_shows_what_was_measured(file: Path, content: str) -> None:
    assert file.read_text(encoding="utf-8") == content
