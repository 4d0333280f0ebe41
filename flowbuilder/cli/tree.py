"""Tree: a plan drawn as text, each step above what it needs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flowbuilder.errors import shown
from flowbuilder.plan.plan import Plan


def tree(plan: Plan) -> str:
    """Return a plan as lines: the workflow, and below each step its upstream.

    A step that is needed twice is drawn once, and then only named, with "↑".
    """
    has_body = plan.has_body
    lines = [] if has_body else [shown(plan.name)]
    lines += [lead + text for lead, text in _drawn(plan, is_below=not has_body)]
    return "\n".join(lines) + "\n"


def _drawn(plan: Plan, *, is_below: bool) -> Iterator[tuple[str, str]]:
    """Yield each line as its lead and its text, without recursion: a chain may have any length."""
    drawn: set[str] = set()
    waiting = _branches(plan.sinks, "") if is_below else [(name, "", "") for name in reversed(plan.sinks)]
    while waiting:
        name, lead, below = waiting.pop()
        step = plan.by_name[name]
        is_again = name in drawn and bool(step.upstream)
        yield lead, shown(name) + " × each item" * step.mapped + " ↑" * is_again
        if not is_again:
            drawn.add(name)
            waiting += _branches(step.upstream, below)


def _branches(names: Sequence[str], below: str) -> list[tuple[str, str, str]]:
    """Return names with their leads and what leads everything below them, the first one last."""
    last = len(names) - 1
    return [
        (name, below + ("└─ " if number == last else "├─ "), below + ("   " if number == last else "│  "))
        for number, name in reversed(list(enumerate(names)))
    ]
