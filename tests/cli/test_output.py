"""What is said on stderr beside the answer of a command."""

from __future__ import annotations

import io
import sys

import pytest

from flowbuilder.cli.output import say


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("error: no\n  hint: yes", "\x1b[31m\x1b[1merror:\x1b[0m no\n  hint: yes\n"),
        ("warning: \x1b[2J", "\x1b[33m\x1b[1mwarning:\x1b[0m \\x1b[2J\n"),
        ("flow: error: no", "flow: error: no\n"),
    ],
)
def test_what_kind_of_message_it_is_stands_out_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, text: str, written: str
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    say(text)

    assert screen.getvalue() == written


def test_without_colors_it_is_plain_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", screen := Screen())
    say("error: no")

    assert screen.getvalue() == "error: no\n"
