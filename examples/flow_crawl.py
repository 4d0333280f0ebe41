"""Follow the links of a documentation, here this project's own, and say which pages are missing or are not linked to.

flowbuilder run examples/flow_crawl.py -P start=docs/index.md
"""

from __future__ import annotations

import re
from pathlib import Path

from flowbuilder import Context, step, workflow

START = Path(__file__).parents[1] / "docs" / "index.md"
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.M | re.S)
LINK = re.compile(r"\]\(([^)#\s]+\.md)(?:#[^)\s]*)?\)")
Site = dict[Path, list[Path]]


@step(retries=1)
def links(page: Path) -> list[Path]:
    """Return the pages that one links to, itself left out."""
    text = CODE.sub("", page.read_text(encoding="utf-8"))
    targets = (target for target in LINK.findall(text) if "://" not in target)
    return sorted({(page.parent / target).resolve() for target in targets} - {page})


@step
def crawl(ctx: Context, start: Path = START) -> Site:
    """Look at one page, then at all it links to, and so on; how many rounds that takes only the pages say."""
    found: Site = {}
    waiting = {start.resolve()}
    while waiting:
        pages = sorted(page for page in waiting if page.exists())
        found.update(zip(pages, ctx.map_sync(links, pages), strict=True))
        ctx.progress(len(found))
        waiting = {page for page in _linked(found) - set(found) if page.exists()}
    return found


def _linked(site: Site) -> set[Path]:
    return {page for there in site.values() for page in there}


@workflow
def survey(crawl: Site, start: Path = START) -> str:
    """Sum up what the crawl has seen."""
    folder = start.resolve().parent
    missing = sorted(_linked(crawl) - set(crawl))
    unreached = sorted(set(folder.rglob("*.md")) - set(crawl))
    lines = [f"{len(crawl)} pages, {sum(map(len, crawl.values()))} links between them"]
    lines += [f"missing: {page}" for page in missing]
    lines += [f"no link leads to {page.relative_to(folder)}" for page in unreached]
    return "\n".join(lines)
