"""Each wrong word of a decorator has its own message: what, where, what was got, what is allowed, what to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest

from flowbuilder import FlowBuilder, ParallelConfig, Registry, Retry, Until
from flowbuilder.declare.decorators import make_provider, make_step, make_workflow
from flowbuilder.declare.definitions import StepDefinition
from flowbuilder.declare.words import WorkflowWords
from flowbuilder.errors import DefinitionError

flows = Registry()


@flows.step
def load() -> list[str]:
    return []


@flows.provider
def api() -> str:
    return "api"


def clean(rows: list[str], limit: int = 3) -> list[str]:
    return rows[:limit]


def inline(rows: list[str]) -> list[str]:
    return rows


async def fetch(rows: list[str]) -> list[str]:
    return rows


async def waits(rows: list[str]) -> int:
    return len(rows)


def keyed(row: list[str]) -> int:
    return len(row)


def numbers() -> Iterator[int]:
    yield 1


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


def declared(**words: Any) -> StepDefinition:
    return make_step(clean, **words)


def told(declare: Callable[[], object]) -> str:
    """Return the message of a refusal, the place of ``clean`` in it shown as "HERE"."""
    with pytest.raises(DefinitionError) as caught:
        declare()
    return str(caught.value).replace(str(make_step(clean).where), "HERE")


RETRIES = "0 to 10000, or Retry(n, delay=…, backoff=…, on=(OSError,))"
UNTIL = "Until(predicate, every=1.0, limit=100)"
TIMEOUT = "2.5, timedelta(minutes=1), or None for no limit"
NAME = "1 to 128 printable characters without / :: [ ] and not starting with - or ."
EACH = '{"parameter": "step or input"} or {"parameter": [1, 2]}'
EXECUTOR = '"thread", "process", "inline", or the name of one a plugin brings'
ON_ERROR = '"fail", "continue", or a function whose value is used instead'

CACHE = "True, False, a key function, or Cache(key=…, version=…, expires=…)"
STEP_WORDS = (
    "name, needs, after, each, when, until, retries, timeout, executor, resources, on_error, undo, cache,"
    " idempotent, tags"
)
WORKFLOW_WORDS = "name, priority, resources, steps, timeout, config, tags"
WRONG_WORDS: list[tuple[Mapping[str, Any], str, str, str, str]] = [
    ({"retrys": 1}, "@step has no argument 'retrys'", "",
     STEP_WORDS, "did you mean 'retries'?"),
    ({"a\x1b": 1}, "@step has no argument 'a\\x1b'", "",
     STEP_WORDS, ""),
    ({"name": 5}, "name= takes text", "5", 'text such as "load"', ""),
    ({"needs": ["rows"]}, "needs= takes a dict", "['rows']", '{"parameter": step}', ""),
    ({"needs": {"row": load}}, "needs= names 'row', which is no parameter of the function", "", "rows, limit",
     "did you mean 'rows'?"),
    ({"needs": {7: load}}, "needs= names 7, which is no parameter of the function", "", "rows, limit", ""),
    ({"needs": {"rows": 5}}, "needs= wires 'rows' to something that is no step", "5", "a step or its name", ""),
    ({"needs": {"rows": None}}, "needs= wires 'rows' to something that is no step", "None", "a step or its name", ""),
    ({"needs": {"rows": api}}, "needs= wires 'rows' to something that is no step", f"{api!r}", "a step or its name",
     "decorate it with @step"),
    ({"after": load}, "after= takes several steps", f"{load!r}", "a list or tuple of steps or names",
     "write after=[…]"),
    ({"after": "load"}, "after= takes several steps", "'load'", "a list or tuple of steps or names",
     "write after=[…]"),
    ({"after": {"load"}}, "after= takes several steps", "{'load'}", "a list or tuple of steps or names",
     "write after=[…]"),
    ({"after": 5}, "after= takes several steps", "5", "a list or tuple of steps or names", ""),
    ({"after": [5]}, "after= holds something that is no step", "5", "steps or their names", ""),
    ({"after": [clean]}, "after= holds something that is no step", f"{clean!r}", "steps or their names",
     "decorate it with @step"),
    ({"each": [1]}, "each= takes a dict", "[1]", EACH, ""),
    ({"each": {}}, "each= is empty", "", '{"parameter": source}', ""),
    ({"each": {"row": "rows"}}, "each= names 'row', which is no parameter of the function", "", "rows, limit",
     "did you mean 'rows'?"),
    ({"each": {"rows": {1, 2}}}, "each= cannot map 'rows' over this", "{1, 2}",
     "a step, the name of a step or input, or a list or tuple", "make it a list: list(…)"),
    ({"each": {"rows": api}}, "each= cannot map 'rows' over this", f"{api!r}",
     "a step, the name of a step or input, or a list or tuple", ""),
    ({"each": {"rows": 5}}, "each= cannot map 'rows' over this", "5",
     "a step, the name of a step or input, or a list or tuple", ""),
    ({"each": {"rows": [1, 2], "limit": [1]}}, "the sources of each= have different lengths",
     "'rows' has 2, 'limit' has 1", "", "they are taken item by item, so each needs as many as the others"),
    ({"each": {"rows": [1]}, "needs": {"rows": load}}, "'rows' is named by needs= and by each=", "", "",
     "keep the one that is meant"),
    ({"when": "rows"}, "when= takes a function", "'rows'", "def or lambda", ""),
    ({"when": bool}, "when= takes a function", "<class 'bool'>", "def or lambda", ""),
    ({"when": numbers}, "when= takes a function that returns, not a generator", f"{numbers!r}", "", "return"),
    ({"when": lambda *rows: True}, "parameters are filled by name, so this one cannot be used", "*rows",
     "ordinary and keyword-only parameters", "name each parameter, or settle it with functools.partial"),
    ({"until": numbers}, "until= takes an Until", f"{numbers!r}", UNTIL, "wrap the function: until=Until(…)"),
    ({"until": 5}, "until= takes an Until", "5", UNTIL, ""),
    ({"until": Until(numbers)}, "until= takes a function that returns, not a generator", f"{numbers!r}", "", "return"),
    ({"until": Until(lambda *rows: True)}, "parameters are filled by name, so this one cannot be used", "*rows",
     "ordinary and keyword-only parameters", "name each parameter, or settle it with functools.partial"),
    ({"cache": 5}, "cache= is unknown", "5", CACHE, ""),
    ({"cache": None}, "cache= is unknown", "None", CACHE, ""),
    ({"cache": numbers}, "cache= takes a function that returns, not a generator", f"{numbers!r}", "", "return"),
    ({"cache": waits}, "the key function of cache= cannot be async", f"{waits!r}", "", ""),
    ({"cache": keyed}, "the key function of cache= takes 'row', which is no parameter of the step", "", "rows, limit",
     "did you mean 'rows'?"),
    ({"cache": True, "until": Until(clean)}, "cache= and until= contradict each other", "", "",
     "a step that is repeated waits for something to change, and a stored result would not"),
    ({"cache": True, "undo": clean}, "cache= and undo= contradict each other", "", "",
     "a stored result does nothing again, so there would be nothing to undo"),
    ({"retries": -1}, "retries= takes a whole number of extra attempts", "-1", RETRIES, ""),
    ({"retries": 1.5}, "retries= takes a whole number of extra attempts", "1.5", RETRIES, ""),
    ({"retries": True}, "retries= takes a whole number of extra attempts", "True", RETRIES, ""),
    ({"retries": "3"}, "retries= takes a whole number of extra attempts", "'3'", RETRIES, ""),
    ({"retries": 10**9}, "retries= takes a whole number of extra attempts", "1000000000", RETRIES, ""),
    ({"timeout": 0}, "timeout= takes seconds above 0 or a timedelta", "0", TIMEOUT, ""),
    ({"timeout": -1.5}, "timeout= takes seconds above 0 or a timedelta", "-1.5", TIMEOUT, ""),
    ({"timeout": math.nan}, "timeout= takes seconds above 0 or a timedelta", "nan", TIMEOUT, ""),
    ({"timeout": math.inf}, "timeout= takes seconds above 0 or a timedelta", "inf", TIMEOUT, ""),
    ({"timeout": "5 parsecs"}, "timeout= takes seconds above 0 or a timedelta", "'5 parsecs'", TIMEOUT, ""),
    ({"timeout": True}, "timeout= takes seconds above 0 or a timedelta", "True", TIMEOUT, ""),
    ({"timeout": timedelta(seconds=-1)}, "timeout= takes seconds above 0 or a timedelta",
     "datetime.timedelta(days=-1, seconds=86399)", TIMEOUT, ""),
    ({"executor": ""}, "executor= is unknown", "''", EXECUTOR, ""),
    ({"executor": 5}, "executor= is unknown", "5", EXECUTOR, ""),
    ({"executor": "loop"}, "executor= is unknown", "'loop'", EXECUTOR, "make it an async def to run it on the loop"),
    ({"executor": "inline", "timeout": 5},
     "an inline step cannot have a timeout: it runs on the loop thread, where nothing can watch it", "", "",
     'use executor="process", where a time-out is kept by force, or leave executor= out'),
    ({"on_error": "continu"}, "on_error= is unknown", "'continu'", ON_ERROR, "did you mean 'continue'?"),
    ({"on_error": None}, "on_error= is unknown", "None", ON_ERROR, ""),
    ({"on_error": list}, "on_error= is unknown", "<class 'list'>", ON_ERROR, ""),
    ({"undo": True}, "undo= takes a function", "True", "def or lambda", ""),
    ({"undo": numbers}, "undo= takes a function that returns, not a generator", f"{numbers!r}", "", "return"),
    ({"undo": lambda *, a, **rest: 0}, "parameters are filled by name, so this one cannot be used", "**rest",
     "ordinary and keyword-only parameters", "name each parameter, or settle it with functools.partial"),
    ({"tags": "slow"}, "tags= takes several words", "'slow'", '("slow", "io")', ""),
    ({"tags": 5}, "tags= takes several words", "5", '("slow", "io")', ""),
    ({"tags": ["a b"]}, "a tag is a word", "'a b'", "letters, digits and _, not and/or/not", ""),
    ({"tags": ["not"]}, "a tag is a word", "'not'", "letters, digits and _, not and/or/not", ""),
    ({"tags": [Unprintable()]}, "a tag is a word", "<unprintable Unprintable: RuntimeError>",
     "letters, digits and _, not and/or/not", ""),
]  # fmt: skip


def message(what: str, got: str, allowed: str, hint: str) -> str:
    facts = {"got": got, "allowed": allowed, "hint": hint}
    return "\n".join([f"{what} (HERE)", *(f"  {label}: {text}" for label, text in facts.items() if text)])


@pytest.mark.parametrize(
    ("words", "what", "got", "allowed", "hint"), WRONG_WORDS, ids=[what for _, what, *_ in WRONG_WORDS]
)
def test_a_wrong_word_of_a_step_is_refused(
    words: Mapping[str, Any], what: str, got: str, allowed: str, hint: str
) -> None:
    assert told(lambda: declared(**words)).splitlines()[1:] == message(what, got, allowed, hint).splitlines()[1:]
    with pytest.raises(DefinitionError) as caught:
        declared(**words)
    assert caught.value.what == what
    assert str(caught.value.where).startswith(__file__)


def test_an_async_step_takes_no_executor() -> None:
    assert told(lambda: make_step(fetch, executor="process")).splitlines()[1:] == [
        "  got: 'process'",
        "  hint: leave executor= out, or make it a plain def",
    ]


@pytest.mark.parametrize(
    ("words", "what", "allowed"),
    [
        (
            {"retries": 1},
            "@workflow has no argument 'retries'",
            WORKFLOW_WORDS,
        ),
        ({"priority": "high"}, "priority= takes a whole number", "-1000 to 1000, higher goes first"),
        ({"priority": True}, "priority= takes a whole number", "-1000 to 1000, higher goes first"),
        ({"priority": 2**70}, "priority= takes a whole number", "-1000 to 1000, higher goes first"),
        ({"priority": -1001}, "priority= takes a whole number", "-1000 to 1000, higher goes first"),
        ({"steps": "load"}, "steps= takes several steps", "a list or tuple of steps or names"),
        ({"steps": [5]}, "steps= holds something that is no step", "steps or their names"),
        ({"config": {"max_concurrency": 2}}, "config= takes a ParallelConfig", "ParallelConfig(max_concurrency=4, …)"),
        ({"tags": "slow"}, "tags= takes several words", '("slow", "io")'),
    ],
)
def test_a_wrong_word_of_a_workflow_is_refused(words: Mapping[str, Any], what: str, allowed: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_workflow(clean, **words)
    assert (caught.value.what, caught.value.allowed) == (what, allowed)
    assert caught.value.where == make_step(clean).where


def test_a_wrong_word_of_a_provider_is_refused() -> None:
    assert told(lambda: make_provider(clean, names="api")) == (  # type: ignore[call-arg]  # that is the point
        "@provider has no argument 'names' (HERE)\n  allowed: name, scope\n  hint: did you mean 'name'?"
    )


def test_right_words_are_kept_as_they_are_meant() -> None:
    made = declared(
        needs={"rows": load}, after=[load, "other"], retries=2, timeout=timedelta(minutes=1), tags={"slow", "io"}
    )
    assert dict(made.needs) == {"rows": load}
    assert made.after == (load, "other")
    assert (made.retries, made.timeout, made.tags) == (Retry(2), 60.0, ("io", "slow"))


def test_a_literal_list_is_kept_as_it_is_now() -> None:
    items = [1, 2]
    made = declared(each={"rows": items})
    items.append(3)
    assert made.each["rows"] == (1, 2)
    with pytest.raises(TypeError):
        made.each["rows"] = ()  # type: ignore[index]  # that is the point


def test_none_stands_for_a_word_left_out() -> None:
    made = declared(name=None, needs=None, each=None, when=None, timeout=None, executor=None)
    assert (made.name, dict(made.needs), dict(made.each)) == ("clean", {}, {})
    assert (made.when, made.timeout, made.executor) == (None, None, None)


RESOURCE_NAMES = "letters, digits, _ . and -, not starting with - or ."


@pytest.mark.parametrize(
    ("resources", "what", "got", "allowed"),
    [
        ("db", "resources= takes a dict", "'db'", '{"db": 1}'),
        ({"": 1}, "resources= has a name that cannot be used", "''", RESOURCE_NAMES),
        ({"-db": 1}, "resources= has a name that cannot be used", "'-db'", RESOURCE_NAMES),
        ({3: 1}, "resources= has a name that cannot be used", "3", RESOURCE_NAMES),
        ({"db": 0}, "resources= takes a whole amount of 'db'", "0", "1 to 1000000"),
        ({"db": 1.5}, "resources= takes a whole amount of 'db'", "1.5", "1 to 1000000"),
        ({"db": True}, "resources= takes a whole amount of 'db'", "True", "1 to 1000000"),
    ],
)
def test_wrong_resources_are_refused_everywhere_they_are_said(
    resources: Any, what: str, got: str, allowed: str
) -> None:
    for say in (lambda: declared(resources=resources), lambda: make_workflow(clean, resources=resources),
                lambda: ParallelConfig(resources=resources)):  # fmt: skip
        with pytest.raises(DefinitionError) as caught:
            say()
        assert (caught.value.what, caught.value.got, caught.value.allowed) == (what, got, allowed)


def test_resources_are_kept_in_the_order_of_their_names() -> None:
    assert list(declared(resources={"net": 2, "db": 1}).resources.items()) == [("db", 1), ("net", 2)]
    assert dict(declared().resources) == {}


def test_a_workflow_keeps_its_words() -> None:
    config = ParallelConfig(max_concurrency=2)
    words: WorkflowWords = {"priority": -1000, "steps": [load], "config": config, "tags": ["nightly"], "timeout": 5}
    words["resources"] = {"gpu": 1}
    made = make_workflow(clean, **words)
    assert (made.priority, made.steps, made.config, made.tags) == (-1000, (load,), config, ("nightly",))
    assert (dict(made.resources), made.timeout) == ({"gpu": 1}, 5.0)


def test_a_builder_refuses_the_same_words() -> None:
    with pytest.raises(DefinitionError, match="retries= takes a whole number"):
        FlowBuilder("etl").step(clean, retries=-1)
