"""Tree: a plan drawn as text, each step above what it needs."""

from __future__ import annotations

from collections.abc import Iterator

from flowbuilder.errors import shown
from flowbuilder.plan.plan import Plan


def tree(plan: Plan) -> str:
    """Return a plan as lines: what nothing comes after first, and below each step its upstream.

    A step that is needed twice is drawn once, and then only named, with "↑".
    """
    return "\n".join(_lines(plan)) + "\n"


def _lines(plan: Plan) -> Iterator[str]:
    drawn: set[str] = set()
    waiting = [(name, "", "") for name in reversed(plan.sinks)]
    while waiting:
        name, lead, below = waiting.pop()
        step = plan.by_name[name]
        again = name in drawn and bool(step.upstream)
        yield lead + shown(name) + (" × each item" if step.mapped else "") + (" ↑" if again else "")
        if again:
            continue
        drawn.add(name)
        last = len(step.upstream) - 1
        waiting += [
            (needed, below + ("└─ " if number == last else "├─ "), below + ("   " if number == last else "│  "))
            for number, needed in reversed(list(enumerate(step.upstream)))
        ]
