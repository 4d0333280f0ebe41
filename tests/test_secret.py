"""Secrets: shown nowhere, kept nowhere, given to whoever asks for them."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flowbuilder import Context, FlowBuilder, MemoryStore, Registry, RunResult, Secret, run
from flowbuilder.errors import InputError
from flowbuilder.plan.convert import converted
from flowbuilder.plan.given import Given, Text
from flowbuilder.runner import Backend
from flowbuilder.store.values import encode
from flowbuilder.testing import FlowTester

HUSH = "hunter2-hush"


@dataclass
class Login:
    user: str
    password: Secret[str]


@dataclass
class Sites:
    logins: list[Login]


# By itself.


@pytest.mark.parametrize("text", [repr, str, format, lambda one: f"{one:>20}", lambda one: f"{[one]!r}"[1:-1]])
def test_every_text_of_a_secret_is_a_mask(text: Any) -> None:
    assert text(Secret(HUSH)) == "***"


def test_a_secret_gives_its_value_to_whoever_asks() -> None:
    assert Secret(HUSH).reveal() == HUSH
    assert Secret(5).reveal() == 5


def test_secrets_of_equal_values_are_equal_and_no_value_is() -> None:
    assert Secret(HUSH) == Secret(HUSH) != Secret("other")
    assert Secret(HUSH) != HUSH
    assert len({Secret(HUSH), Secret(HUSH)}) == 1
    assert not Secret("")


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_has_the_value(again: Any) -> None:
    assert again(Secret(HUSH)) == Secret(HUSH)


def test_a_secret_cannot_be_changed_nor_subclassed_nor_written_as_json() -> None:
    with pytest.raises(AttributeError, match="a Secret cannot be changed"):
        Secret(HUSH)._value = "other"
    with pytest.raises(TypeError, match="Secret is not made to be subclassed"):
        type("Open", (Secret,), {})
    with pytest.raises(TypeError):
        json.dumps(Secret(HUSH))


# As an input.


@pytest.mark.parametrize(
    ("given", "note", "value"),
    [
        (Text("a", "-P"), Secret[str], Secret("a")),
        (Text("a", "-P"), Secret, Secret("a")),
        (Text("5", "-P"), Secret[int], Secret(5)),
        (Text("", "-P"), Secret[str] | None, None),
        (Text("a", "-P"), Secret[str] | None, Secret("a")),
        (Text("a,b", "-P"), list[Secret[str]], [Secret("a"), Secret("b")]),
        (Given(5, "--params"), Secret[int], Secret(5)),
        (Given({"user": "me", "password": "a"}, "--params"), Login, Login("me", Secret("a"))),
        ("a", Secret[str], Secret("a")),
        (Secret("a"), Secret[str], Secret("a")),
        ("a", Secret[str] | None, Secret("a")),
        (None, Secret[str] | None, None),
    ],
)
def test_a_value_becomes_the_secret_that_is_asked_for(given: Any, note: Any, value: Any) -> None:
    assert converted("key", given, note, None) == value


def test_a_value_that_is_none_is_refused_without_being_shown() -> None:
    with pytest.raises(InputError) as caught:
        converted("key", Text("2.0", "-P"), Secret[int], None)
    assert str(caught.value) == (
        "the input 'key' cannot be read as Secret[int]\n  got: *** (-P)\n  allowed: a whole number, as in 5"
    )
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (Secret(HUSH), Secret[int]),
        (HUSH, Secret[int]),
        (Text(HUSH, "-P"), Secret[int] | None),
        (Text(HUSH, "-P"), list[Secret[int]]),
        (Given({"password": HUSH}, "--params"), Login),
        (Given({"logins": [{"password": HUSH}]}, "--params"), Sites),
        (Given({"user": "me", "password": "a", HUSH: 1}, "--params"), Login),
    ],
)
def test_no_message_shows_a_secret_or_what_it_is_in(given: Any, note: Any) -> None:
    with pytest.raises(InputError) as caught:
        converted("key", given, note, None)
    assert HUSH not in str(caught.value)
    assert caught.value.__cause__ is None


def work(key: Secret[str]) -> str:
    return key.reveal()


def test_a_value_under_a_name_that_is_nearly_that_of_a_secret_is_not_shown() -> None:
    with pytest.raises(InputError) as caught:
        Registry().plan(FlowBuilder("flow").step(work).build(), {"kye": HUSH, "key": "a"})
    assert str(caught.value) == (
        "there is no input named 'kye'\n  got: ***\n  allowed: key\n  hint: did you mean 'key'?"
    )


def test_a_plan_shows_a_mask() -> None:
    plan = Registry().plan(FlowBuilder("flow").step(work).build(), {"key": HUSH})
    assert "  key = *** (params=)\n" in plan.explain()
    assert HUSH not in repr(plan)


# In a run.


def told(result: RunResult[Any]) -> str:
    return json.dumps(result.to_dict()) + repr(result)


def test_a_step_has_the_value_and_the_result_shows_none(backend: Backend) -> None:
    seen: list[str] = []

    def whole(key: Secret[str], ctx: Context) -> list[Secret[str]]:
        seen.append(key.reveal())
        ctx.log.warning("with %s", key)
        return [key]

    result = run(FlowBuilder("flow").step(whole).build(), params={"key": HUSH}, backend=backend)
    assert seen == [HUSH]
    assert HUSH not in told(result)


def test_a_log_shows_a_mask(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("flow").warning("with %s and %r", Secret(HUSH), {"key": Secret(HUSH)})
    assert caplog.messages == ["with *** and {'key': ***}"]


def test_an_error_that_names_a_secret_shows_a_mask(store: MemoryStore) -> None:
    def fails(key: Secret[str]) -> None:
        raise ValueError(f"{key} is wrong", key)

    result = run(FlowBuilder("flow").step(fails).build(), params={"key": HUSH}, store=store)
    unit = store.units(result.run_id)[0]
    assert unit.error is not None
    assert unit.error["message"] == "('*** is wrong', ***)"
    assert HUSH not in told(result)


def test_a_secret_reaches_a_worker_process() -> None:
    flow = FlowBuilder("flow").step(work, executor="process").build()
    assert run(flow, params={"key": HUSH}).steps["work"].value == HUSH


# In a store.


@pytest.fixture
def store() -> Any:
    made = MemoryStore()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("value", "place"),
    [
        (Secret(HUSH), "result"),
        ([1, {"a": Secret(HUSH)}], "result[1]['a']"),
        (Login("me", Secret(HUSH)), "result.password"),
    ],
)
def test_a_result_with_a_secret_in_it_is_not_stored(value: Any, place: str) -> None:
    why = f"{place} is ***, which cannot be stored (ValueError: 'a secret is not written down')"
    with pytest.raises(ValueError, match=re.escape(why)):
        encode(value)


def test_nothing_of_a_secret_is_in_the_files_of_a_store(tmp_path: Path) -> None:
    def passed(key: Secret[str]) -> Secret[str]:
        return key

    def fails(passed: Secret[str], login: Login) -> None:
        raise ValueError(passed, login)

    flow = FlowBuilder("flow").step(passed, cache=True).step(fails, cache=True).build()
    params = {"key": HUSH, "login": Login("me", Secret(HUSH))}
    assert run(flow, params=params, store=tmp_path / "runs.db").failed_count == 1
    written = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"***" in written
    assert HUSH.encode() not in written


def test_a_secret_is_asked_for_again_on_resume(tmp_path: Path) -> None:
    seen: list[str] = []

    def once(key: Secret[str]) -> None:
        seen.append(key.reveal())
        if len(seen) == 1:
            raise ValueError

    flow, place = FlowBuilder("flow").step(once).build(), tmp_path / "runs.db"
    first = run(flow, params={"key": HUSH}, store=place)
    with pytest.raises(InputError, match="an input without a value"):
        run(flow, store=place, resume=first.run_id)
    assert run(flow, params={"key": "other"}, store=place, resume=first.run_id).success_count == 1
    assert seen == [HUSH, "other"]


def test_a_cached_result_is_found_by_the_value_of_a_secret_which_has_no_mark(store: MemoryStore) -> None:
    def size(key: Secret[str]) -> int:
        return len(key.reveal())

    flow = FlowBuilder("flow").step(size, cache=True).build()
    notes = [run(flow, params={"key": key}, store=store).steps["size"].cache for key in ("one", "one", "three")]
    assert [note is not None and note.is_hit for note in notes] == [False, True, False]
    assert [dict(row.inputs) for row in store.cache_rows()] == [{}, {}]


def test_a_secret_that_another_step_gives_has_no_mark_either(store: MemoryStore) -> None:
    def key() -> Secret[str]:
        return Secret(HUSH)

    def size(key: Secret[str]) -> int:
        return len(key.reveal())

    run(FlowBuilder("flow").step(key).step(size, cache=True).build(), store=store)
    assert [dict(row.inputs) for row in store.cache_rows()] == [{}]


# On the command line.

FLOW = """
    from flowbuilder import Secret, step

    @step
    def load(key: Secret[str], depth: int = 1) -> int:
        print("with", key)
        raise ValueError(f"no entry with {key}: {depth}")
"""


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "-P", f"key={HUSH}"],
        ["plan", "-P", f"kye={HUSH}"],
        ["run", "-P", f"key={HUSH}", "--json", "-"],
        ["run", "-P", f"key={HUSH}", "-v"],
        ["show"],
        ["runs", "--json"],
    ],
)
def test_no_command_shows_a_secret(flowtester: FlowTester, words: list[str]) -> None:
    flowtester.write("flow_load.py", FLOW)
    flowtester.run("run", "-P", f"key={HUSH}")
    (kept,) = json.loads(flowtester.run("runs", "--json").stdout)
    outcome = flowtester.run(*words, *([kept["run_id"]] if words == ["show"] else []))
    assert HUSH not in outcome.stdout + outcome.stderr
    assert kept["params"] == {"key": "***"}


def test_plan_shows_the_mask_and_where_the_secret_is_from(
    flowtester: FlowTester, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowtester.write("flow_load.py", FLOW)
    monkeypatch.setenv("FLOWBUILDER_PARAM_KEY", HUSH)
    assert "  key = *** (environment)\n" in flowtester.run("plan").stdout
    monkeypatch.delenv("FLOWBUILDER_PARAM_KEY")
    assert "  key = ? (missing, Secret[str]: give it with FLOWBUILDER_PARAM_KEY=…)\n" in flowtester.run("plan").stdout
