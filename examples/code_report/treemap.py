"""The treemap: every file as a box as large as its lines, package by package."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from examples.code_report.squarify import Box, squarified
from examples.code_report.summary import File, Package
from examples.code_report.svg import counted, heat, rect, svg, text, words

WIDTH, HEIGHT = 1160, 580
SMALLEST_BOX = 24
FEWEST_LETTERS = 8


def treemap(packages: Sequence[Package]) -> str:
    """Draw the files of all packages, coloured by the mean complexity of their functions."""
    sizes = {package: sum(file.lines for file in package.files) for package in packages}
    by_size = sorted((package for package in packages if sizes[package]), key=lambda package: -sizes[package])
    boxes = squarified([sizes[package] for package in by_size], Box(0, 0, WIDTH, HEIGHT))
    parts = [_package(package, sizes[package], box) for package, box in zip(by_size, boxes, strict=True)]
    files = sum(len(package.files) for package in by_size)
    return svg("tree", WIDTH, HEIGHT, f"Treemap of {counted(files, 'file')} by lines", parts)


def _package(package: Package, size: int, box: Box) -> str:
    is_labelled = box.width > 44 and box.height > 40
    inner = box.inset(1.5, 17 if is_labelled else 1.5, 1.5, 1.5)
    files = _small_ones_together(package.files, inner.width * inner.height / size)
    boxes = squarified([file.lines for file in files], inner)
    parts = [_file(file, one) for file, one in zip(files, boxes, strict=True)]
    if is_labelled:
        parts.append(words("group", box.x + 3, box.y + 12.5, text(_cut(package.name, (box.width - 8) / 7))))
    return "\n".join(parts)


def _small_ones_together(files: Iterable[File], area_of_line: float) -> list[File]:
    """Return the files by size; those too small to see become one, so a huge tree makes no huge page."""
    by_size = sorted((file for file in files if file.lines), key=lambda file: -file.lines)
    small = [file for file in by_size if file.lines * area_of_line < SMALLEST_BOX]
    if len(small) < 2:
        return by_size
    functions = sum(file.functions for file in small)
    together = File(
        path=counted(len(small), "small file"),
        lines=sum(file.lines for file in small),
        functions=functions,
        complexity=sum(file.complexity for file in small),
        mean=sum(file.mean * file.functions for file in small) / functions if functions else 0.0,
    )
    return sorted([*by_size[: -len(small)], together], key=lambda file: -file.lines)


def _file(file: File, box: Box) -> str:
    tip = f"{text(file.path)}: {counted(file.lines, 'line')}, {counted(file.functions, 'function')}"
    tip += f" of mean complexity {file.mean:.1f}" if file.functions else ""
    box = box.inset(0, 0, 0.8, 0.8)
    drawn = rect(heat(file.mean), *box, tip)
    name = file.name.removesuffix(".py")
    letters = (box.width - 6) / 6
    if box.height < 15 or letters < min(len(name), FEWEST_LETTERS):
        return drawn
    return drawn + words("leaf", box.x + 4, box.y + 11.5, text(_cut(name, letters)))


def _cut(name: str, letters: float) -> str:
    return name if len(name) <= letters else name[: int(letters) - 1] + "…"
