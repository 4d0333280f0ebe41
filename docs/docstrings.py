"""Docstrings as Markdown."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from html import escape

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
TITLES = {"Args": "Arguments", "Attributes": "Attributes", "Raises": "Raises", "Returns": "Returns", "Yields": "Yields"}
ENTRY = re.compile(r"^([*\w][\w*., ]*): (.*)$", re.S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Docstring:
    """A docstring taken apart: paragraphs, and the entries of each section as (name, text)."""

    paragraphs: tuple[str, ...]
    sections: dict[str, list[tuple[str, str]]]

    @property
    def summary(self) -> str:
        """The first paragraph."""
        return self.paragraphs[0] if self.paragraphs else ""


def docstring_of(thing: object) -> Docstring:
    """Return the docstring of a class, function or property, taken apart.

    Raises:
        ValueError: where there is none; what is in the reference has one.
    """
    text = inspect.getdoc(thing)
    if not text:
        raise ValueError(f"{thing!r} has no docstring")
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in text.split("\n"):
        if found := SECTION.match(line):
            current = found[1]
            parts[current] = []
        else:
            parts[current].append(line)
    return Docstring(
        paragraphs=tuple(_paragraphs(parts.pop(""))),
        sections={name: _entries(lines) for name, lines in parts.items()},
    )


def markdown_of(thing: object, *, without: str = "") -> list[str]:
    """Return the docstring of a thing as Markdown lines, its sections as lists; ``without`` leaves an entry out."""
    doc = docstring_of(thing)
    lines = [line for paragraph in doc.paragraphs for line in (paragraph, "")]
    for name, entries in doc.sections.items():
        lines += [f"**{TITLES[name]}**", ""]
        lines += [line for entry, text in entries if entry != without for line in _listed(entry, text)]
        lines.append("")
    return lines


def code(text: str) -> str:
    """Return text as code that may stand in a cell of a table, where a bar would end the cell."""
    return f"<code>{escape(text, quote=False).replace('|', '&#124;')}</code>" if "|" in text else f"`{text}`"


def _listed(entry: str, text: str) -> list[str]:
    """Return an entry as a list item; the words of ``**words``, one to an item."""
    if entry == "**words":
        return [f"- {word.rstrip('.')}" for word in text.split("; ")]
    return [f"- `{entry}`: {text}" if entry else f"- {text}"]


def _paragraphs(lines: list[str]) -> list[str]:
    """Return paragraphs on one line each; what is indented after ``::`` as a block of code."""
    found: list[str] = []
    for chunk in re.split(r"\n\s*\n", "\n".join(lines).strip("\n")):
        if chunk.startswith("    "):
            found.append(f"```py\n{inspect.cleandoc(chunk)}\n```")
        elif chunk.strip():
            text = " ".join(part.strip() for part in chunk.split("\n"))
            found.append(_inline(text[:-1] if text.endswith("::") else text))
    return found


def _entries(lines: list[str]) -> list[tuple[str, str]]:
    entries = re.split(r"\n(?=\S)", inspect.cleandoc("\n".join(lines)))
    found = []
    for entry in entries:
        text = _inline(" ".join(part.strip() for part in entry.split("\n")))
        named = ENTRY.match(text)
        found.append((named[1], named[2]) if named else ("", text))
    return found


def _inline(text: str) -> str:
    return text.replace("``", "`")
