"""Params files and environment variables give values for inputs, and name the place of what is wrong."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from flowbuilder.errors import InputError
from flowbuilder.plan.convert import converted
from flowbuilder.plan.environment import environment_params
from flowbuilder.plan.given import Given, Text
from flowbuilder.plan.params import read_params_file


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def refused(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_params_file(path)
    return caught.value


def test_a_json_file_gives_text_and_data(tmp_path: Path) -> None:
    path = written(tmp_path, "p.json", '{"root": "src", "n": 3, "files": ["a"], "no": null}')
    origin = "--params p.json"
    assert read_params_file(path) == {
        "root": Text("src", origin),
        "n": Given(3, origin),
        "files": Given(["a"], origin),
        "no": Given(None, origin),
    }


def test_a_toml_file_gives_text_and_data(tmp_path: Path) -> None:
    path = written(tmp_path, "p.TOML", 'root = "src"\nday = 2024-05-31\n[options]\nfast = true\n')
    origin = "--params p.TOML"
    assert read_params_file(path) == {
        "root": Text("src", origin),
        "day": Given(date(2024, 5, 31), origin),
        "options": Given({"fast": True}, origin),
    }


def test_values_of_a_file_are_converted_by_annotation(tmp_path: Path) -> None:
    params = read_params_file(written(tmp_path, "p.json", '{"root": "src", "files": ["a", "b"]}'))
    assert converted("root", params["root"], Path, None) == Path("src")
    assert converted("files", params["files"], list[Path], None) == [
        Path("a"),
        Path("b"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    assert read_params_file(written(tmp_path, "p.json", b'\xef\xbb\xbf{"a": 1}')) == {"a": Given(1, "--params p.json")}
    assert read_params_file(written(tmp_path, "p.toml", b"\xef\xbb\xbfa = 1")) == {"a": Given(1, "--params p.toml")}


@pytest.mark.parametrize("name", ["p.yaml", "p.YML", "p.ini", "params"])
def test_other_formats_are_refused_naming_the_two(tmp_path: Path, name: str) -> None:
    error = refused(tmp_path / name)
    assert error.allowed == "a .json or .toml file"


@pytest.mark.parametrize(
    ("name", "content", "place", "what"),
    [
        ("p.json", '{"a": 1,\n "b": }', ":2:7", "broken JSON: Expecting value"),
        ("p.json", '{"a": 1,\n "a": 2}', ":2:2", "the name 'a' is given twice"),
        ("p.json", '{"a": {"a": 1}, "a": 2}', "", "the name 'a' is given twice"),
        ("p.json", '{"a":\n NaN}', ":2:2", "NaN is no JSON number"),
        ("p.json", '{"a":\n -Infinity}', ":2:2", "-Infinity is no JSON number"),
        ("p.json", '{"a": 1e999}', "", "the number 1e999 is too large"),
        ("p.json", "[1]", "", "the file holds no table of names and values"),
        ("p.json", "", ":1:1", "broken JSON: Expecting value"),
        (
            "p.json",
            '{"a": ' + "[" * 64 + "]" * 64 + "}",
            ":1:70",
            "more than 64 levels",
        ),
        ("p.json", b'{"a":\n "\xff"}', ":2:3", "the params file is not valid UTF-8"),
        (
            "p.json",
            '{"a": 1}'.encode("utf-16"),
            ":1:1",
            "the params file is not valid UTF-8",
        ),
        ("p.json", b" " * 1_100_000, "", "the params file is larger than 1 MiB"),
        ("p.toml", "a = 1\na = 2\n", ":2:6", "broken TOML: Cannot overwrite a value"),
        ("p.toml", "a = ", "", "broken TOML: Invalid value"),
        ("p.toml", "a = [1, nan]", "", 'nan in "a" is no finite number'),
        ("p.toml", "a = -inf", "", "-inf in"),
        ("p.toml", "a = " + "[" * 64 + "]" * 64, "", "more than 64 levels"),
        ("p.toml", "a = " + "[" * 100_000, "", "more than 64 levels"),
        ("p.toml", "a = " + "9" * 5000, "", "broken TOML: "),
    ],
)
def test_a_broken_file_is_refused_with_its_place(
    tmp_path: Path, name: str, content: str | bytes, place: str, what: str
) -> None:
    path = written(tmp_path, name, content)
    error = refused(path)
    assert error.where == f"{path}{place}"
    assert what in error.what


@pytest.mark.parametrize("name", ["p.json", "p.toml"])
def test_63_levels_below_the_table_are_read(tmp_path: Path, name: str) -> None:
    array = "[" * 63 + "]" * 63
    path = written(tmp_path, name, f'{{"a": {array}}}' if name == "p.json" else f"a = {array}")
    assert read_params_file(path) == {"a": Given(json.loads(array), f"--params {name}")}


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "d.json").mkdir()
    assert "No such file" in refused(tmp_path / "p.json").what
    assert "directory" in refused(tmp_path / "d.json").what
    assert "cannot be read" in refused(Path("a\0.json")).what


def test_a_file_of_nearly_the_name_and_a_kind_that_is_read_is_hinted_at(tmp_path: Path) -> None:
    for name in ("nightly.toml", "nightly.txt"):
        written(tmp_path, name, "")
    assert refused(tmp_path / "nigthly.toml").hint == "did you mean 'nightly.toml'?"


def test_foreign_names_are_shown_escaped(tmp_path: Path) -> None:
    error = refused(written(tmp_path, "p\x1b.json", '{"\\u001b": 1, "\\u001b": 2}'))
    assert "\x1b" not in str(error)


def test_variables_give_inputs_in_small_letters() -> None:
    environ = {
        "FLOWBUILDER_PARAM_ROOT": "src",
        "FLOWBUILDER_PARAM_": "x",
        "FLOWBUILDER_OTHER": "y",
        "HOME": "/",
    }
    assert environment_params(environ) == {"root": Text("src", "environment")}


def test_variables_that_disagree_are_refused() -> None:
    environ = {"FLOWBUILDER_PARAM_ROOT": "a", "FLOWBUILDER_PARAM_root": "b"}
    with pytest.raises(InputError, match="different values"):
        environment_params(environ)
    assert environment_params(dict.fromkeys(environ, "a")) == {"root": Text("a", "environment")}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary() | st.text().map(str.encode),
    name=st.sampled_from(["p.json", "p.toml"]),
)
def test_junk_files_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    try:
        read_params_file(written(tmp_path, name, content))
    except InputError as error:
        assert all(line.isprintable() for line in str(error).splitlines())


def test_toml_errors_keep_their_place_in_this_python() -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match=r"\(at line 1, column 5\)"):
        tomllib.loads("a = b")
