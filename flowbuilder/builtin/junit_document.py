"""JUnit document: the results of runs as the XML that continuous integration servers read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from flowbuilder import RunResult, Status, StepResult
from flowbuilder.builtin.strays import strays
from flowbuilder.builtin.tracebacks import error_lines
from flowbuilder.errors import error_line

LINES = 2_000
ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
OUTCOMES = {Status.FAILED: "failure", Status.TIMED_OUT: "failure", Status.CANCELLED: "error", Status.SKIPPED: "skipped"}


def document(results: Sequence[RunResult[Any]]) -> str:
    """Return the results of all runs as one XML document."""
    suites = [_suite(result) for result in results]
    root = Element("testsuites", name="flowbuilder")
    root.extend(suites)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in suites)))
    root.set("time", f"{sum(result.duration for result in results):.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _suite(result: RunResult[Any]) -> Element:
    suite = Element("testsuite", name=_legal(result.workflow))
    cases = [_case(result.workflow, step) for step in _told(result)]
    cases += [_stray(result.workflow, error) for error in strays(result)]
    suite.set("tests", str(len(cases)))
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(name, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", f"{result.duration:.3f}")
    suite.set("timestamp", datetime.fromtimestamp(result.started_at, UTC).isoformat(timespec="seconds"))
    suite.set("id", result.run_id)
    suite.extend(cases)
    return suite


def _told(result: RunResult[Any]) -> Iterator[StepResult[Any]]:
    for step in result.steps.values():
        yield step
        yield from (item for item in step.items or () if item.status in OUTCOMES or item.undone)


def _case(workflow: str, step: StepResult[Any]) -> Element:
    case = Element("testcase", classname=_legal(workflow), name=_legal(step.name), time=f"{step.duration or 0.0:.3f}")
    # What was undone is no failure, and no success any more.
    tag = "skipped" if step.undone else OUTCOMES.get(step.status)
    if tag is not None:
        message = step.reason or (error_line(step.error) if step.error is not None else str(step.status))
        outcome = SubElement(case, tag, message=_legal(message))
        if step.error is not None and not step.undone:
            _fill(outcome, step.error)
    for name, titles in (("system-out", ("stdout", "log")), ("system-err", ("stderr",))):
        text = "\n".join(part.text for part in step.sections if part.title in titles)
        if text:
            SubElement(case, name).text = _legal(text)
    return case


def _stray(workflow: str, error: BaseException) -> Element:
    case = Element("testcase", classname=_legal(workflow), name="(after the steps)", time="0.000")
    _fill(SubElement(case, "error", message=_legal(error_line(error))), error)
    return case


def _fill(outcome: Element, error: BaseException) -> None:
    outcome.set("type", type(error).__qualname__)
    outcome.text = _legal("\n".join(text for text, _ in islice(error_lines(error), LINES)))


def _legal(text: str) -> str:
    """Return text without the characters that XML cannot hold."""
    return ILLEGAL.sub("", text)
