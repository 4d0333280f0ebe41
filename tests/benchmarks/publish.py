"""Publish: puts what was measured into the pages that show it, between their two marks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measured import Measured
from tests.benchmarks.picture import picture
from tests.benchmarks.table import markdown

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = Path(__file__).parent / "measured.json"
PICTURE = ROOT / "docs" / "assets" / "how-fast.svg"
README = ROOT / "README.md"
PAGE = ROOT / "docs" / "explanation" / "how-fast.md"
MARKED = re.compile(r"(<!-- measured -->\n).*?(<!-- until here -->)", re.S)


def pages(measured: Measured) -> Iterator[tuple[Path, str]]:
    """Yield each file that shows what was measured, and what it should be."""
    yield PICTURE, picture(measured)
    for page, short in ((README, True), (PAGE, False)):
        table = markdown(measured, short=short)
        yield page, MARKED.sub(rf"\g<1>\n{table}\n\n\g<2>", page.read_text(encoding="utf-8"))


def publish(measured: Measured) -> None:
    """Write the files, and keep what they are made of."""
    measured.save(PUBLISHED)
    for file, content in pages(measured):
        file.write_text(content, encoding="utf-8")
