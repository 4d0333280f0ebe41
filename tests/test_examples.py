"""Every example runs, on small input, and what it says is held against what is known by other means."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import sqlite3
import subprocess
import symtable
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import networkx
import pytest
from hypothesis import given, strategies as st

from examples import flow_code_report, flow_replay
from examples.code_report.measure import measured
from examples.code_report.page import page
from examples.code_report.squarify import Box, squarified
from examples.code_report.summary import Summary, summed_up
from flowbuilder import hookimpl, run
from flowbuilder.testing import FlowTester, Outcome, Recorder

EXAMPLES = Path(__file__).parents[1] / "examples"
SEATTLE = EXAMPLES / "data" / "seattle-weather.csv"
GRAPHS = sorted((EXAMPLES / "data").glob("*.json"))

SAMPLE = '''\
# A sample to count by hand.

class Outer:
    """A docstring
    # with no comment in it.
    """

    def method(self, a, b):
        if a and b or not a:  # 1 + if + and + or
            return [n for n in b if n if not n]  # + comprehension + two ifs
        return 1 if a else 2  # + conditional

    class Inner:
        async def run(self):
            async for _ in self:  # 1 + for
                pass


def outer():
    def inner():  # a function of its own
        while True:
            break
    try:
        inner()
    except OSError:  # 1 + two handlers
        pass
    except ValueError:
        pass


text = ("one"
        # a comment between two parts of a string
        "two")
'''
NOT_DEFINED = ("lambda", "listcomp", "setcomp", "dictcomp", "genexpr")
SAMPLE_FUNCTIONS = [
    ("Outer.method", 8, 4, 8),
    ("Outer.Inner.run", 14, 3, 2),
    ("outer", 19, 10, 3),
    ("outer.inner", 20, 3, 2),
]


def example(flowtester: FlowTester, name: str, *arguments: str) -> Outcome:
    return flowtester.run("run", str(EXAMPLES / name), *arguments)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_each_example_says_what_it_is_in_a_sentence_and_is_in_the_index(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    index = (EXAMPLES / "README.md").read_text(encoding="utf-8")

    assert re.fullmatch(r'"""[A-Z].*\.("{3})?', first)
    assert path.name == "__init__.py" or f"({path.name})" in index


# The code report.


def test_a_file_is_measured_as_counted_by_hand(tmp_path: Path) -> None:
    file = tmp_path / "sample.py"
    file.write_text(SAMPLE, encoding="utf-8")
    measure = measured(file)

    assert [tuple(function) for function in measure.functions] == SAMPLE_FUNCTIONS
    assert (measure.lines, measure.blank, measure.comments, measure.classes) == (33, 7, 2, 2)
    assert measure.complexity == 8 + 2 + 3 + 2


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass\n elif b: pass\n else: pass", 3),
        ("for _ in a: pass\n else: pass", 2),
        ("while a: pass", 2),
        ("with a, b: pass", 1),
        ("return a and b and c", 3),
        ("return a and b or c", 3),
        ("return {x: y for x in a for y in b if x}", 4),
        ("return lambda: a if b else c", 2),
        ("try: a\n except* OSError: b\n finally: c", 2),
        ("match a:\n  case 1 | 2: b\n  case [x] if x: c\n  case _: pass", 3),
    ],
)
def test_the_complexity_of_a_function_counts_the_ways_through_it(body: str, complexity: int, tmp_path: Path) -> None:
    file = tmp_path / "one.py"
    file.write_text(f"def one(a, b, c):\n {body}\n", encoding="utf-8")

    assert [function.complexity for function in measured(file).functions] == [complexity]


@pytest.mark.parametrize("package", ["json", "asyncio", "unittest"])
def test_a_package_is_measured_as_the_compiler_and_the_tokenizer_count_it(package: str) -> None:
    folder = Path(json.__file__).parents[1] / package
    for path in sorted(folder.glob("*.py")):
        measure, source = measured(path), path.read_text(encoding="utf-8")
        tables = list(tables_below(symtable.symtable(source, path.name, "exec")))

        assert measure.lines == source.count("\n")
        assert measure.classes == sum(table.get_type() == "class" for table in tables)
        assert sorted(function.line for function in measure.functions) == sorted(defs_among(tables, source))
        assert measure.comments == lone_comments(source)


def tables_below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for child in table.get_children():
        yield child
        yield from tables_below(child)


def defs_among(tables: list[symtable.SymbolTable], source: str) -> list[int]:
    """Return the lines of functions; the compiler's table gives the first decorator's where there is one."""
    lines = source.split("\n")
    found = []
    for table in tables:
        if table.get_type() == "function" and table.get_name() not in NOT_DEFINED:
            line = table.get_lineno()
            while not re.match(r"\s*(async\s+)?def\s", lines[line - 1]):
                line += 1
            found.append(line)
    return found


def lone_comments(source: str) -> int:
    comments: set[int] = set()
    code: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            comments.add(token.start[0])
        elif token.type not in (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT):
            code.update((token.start[0], token.end[0]))
    return len(comments - code)


def small_tree(folder: Path) -> Path:
    """Write four files of which two cannot be parsed, and some that are not to be found."""
    for name, text in {
        "app/good.py": SAMPLE,
        "app/<b>&.py": "x = 1\n",
        "app/broken.py": "def\n",
        "lib/coded.py": "# coding: nope\n",
        "lib/site-packages/foreign.py": "y = 1\n",
        ".hidden/also.py": "y = 1\n",
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (folder / "app" / "gone.py").symlink_to("nowhere.py")
    (folder / "app" / "folder.py").mkdir()
    return folder


def test_the_report_lists_broken_files_and_tells_its_numbers(flowtester: FlowTester) -> None:
    tree = small_tree(flowtester.path / "tree")
    outcome = example(flowtester, "flow_code_report.py", "-P", f"root={tree}", "-P", "output=r.html")

    assert outcome.exit_code == 0
    assert (
        """\
             4  files
            36  lines, 27 of them code
             4  functions, 2 classes
             0  functions are complex, above 10 (0.0%)
             8  Outer.method (app/good.py:8)
             3  outer (app/good.py:19)
             2  Outer.Inner.run (app/good.py:14)
             2  files did not parse
                app/broken.py: line 1: invalid syntax
                lib/coded.py: unknown encoding: nope
        report  r.html
"""
        in outcome.stdout
    )
    assert (flowtester.path / "r.html").read_text(encoding="utf-8").count("<svg") == 3


def test_a_file_that_kills_its_worker_is_a_broken_file(flowtester: FlowTester) -> None:
    flowtester.write("flow_killed.py", """
        import os, signal
        from pathlib import Path
        from examples.code_report.measure import Measure
        from examples.flow_code_report import unmeasured
        from flowbuilder import step

        @step(each={"path": [Path("deep.py")]}, executor="process", on_error=unmeasured)
        def measure(path: Path) -> Measure:
            os.kill(os.getpid(), signal.SIGSEGV)

        @step
        def told(measure: list[Measure]) -> str:
            return f"{measure[0].path}: {measure[0].error}"
    """)  # fmt: skip
    outcome = flowtester.run("run", "flow_killed.py")

    assert outcome.exit_code == 0
    assert outcome.recorder.results["told"].value == "deep.py: the worker process was killed by SIGSEGV"


def test_a_root_that_is_no_folder_fails_with_a_sentence(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_code_report.py", "-P", "root=nowhere")

    assert outcome.exit_code == 1
    assert "NotADirectoryError: root='nowhere' is no folder" in outcome.stdout


def summary_of(folder: Path) -> Summary:
    return summed_up(folder, [measured(path) for path in flow_code_report.sources(folder)])


class Loads(HTMLParser):
    """Notes what a page would load, and checks that its tags are closed in order."""

    VOID = ("meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str | None] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loads += [value for name, value in attrs if name in ("src", "href", "srcset", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("files", [0, 4])
def test_the_page_is_whole_loads_nothing_and_has_no_script(files: int, tmp_path: Path) -> None:
    html = page(summary_of(small_tree(tmp_path) if files else tmp_path))
    parser = Loads()
    parser.feed(html)

    assert (parser.open, parser.loads) == ([], ["data:,"])
    assert "<script" not in html
    assert "@import" not in html
    assert "url(" not in html
    assert "<b>&.py" not in html
    assert not files or "&lt;b&gt;&amp;.py" in html


def test_the_pictures_of_the_page_are_well_formed_and_named(tmp_path: Path) -> None:
    html = page(summary_of(small_tree(tmp_path)))

    pictures = [ElementTree.fromstring(picture) for picture in re.findall(r"<svg.*?</svg>", html, re.DOTALL)]
    assert [picture.get("aria-label") for picture in pictures] == [
        "Treemap of 2 files by lines",
        "Functions, and their complexity, by complexity",
        "Lines and complexity of each file",
    ]


@given(st.lists(st.integers(1, 10**6), max_size=60), st.floats(1, 2000), st.floats(1, 2000))
def test_a_treemap_fills_its_box_in_proportion(sizes: list[int], width: float, height: float) -> None:
    sizes.sort(reverse=True)
    boxes = squarified(sizes, Box(0, 0, width, height))

    scale = width * height / sum(sizes) if sizes else 0
    assert [box.width * box.height for box in boxes] == pytest.approx([size * scale for size in sizes], rel=1e-3)
    for box in boxes:
        assert 0 <= box.x <= box.x + box.width <= width * 1.001
        assert 0 <= box.y <= box.y + box.height <= height * 1.001


# The weather.


def test_the_weather_is_summed_up_by_year(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_weather.py")

    outcome.assert_counts(succeeded=4)
    assert [line.rpartition("  ")[0] for line in outcome.recorder.runs[0].value.split("\n")] == [
        "2012     1226 mm on 177 days   34.4 °C on 2012/08/16",
        "2013      828 mm on 152 days   33.9 °C on 2013/06/30",
        "2014     1233 mm on 150 days   35.6 °C on 2014/08/11",
        "2015     1139 mm on 144 days   35.0 °C on 2015/07/19",
    ]


# The crawler.


def test_the_crawl_finds_what_the_links_lead_to(flowtester: FlowTester) -> None:
    pages = {"index": "[a](a.md#x) `[b](b.md)`", "a": "[index](index.md) [gone](sub/gone.md)", "b": ""}
    for name, text in pages.items():
        (flowtester.path / f"{name}.md").write_text(text, encoding="utf-8")
    outcome = flowtester.run("run", str(EXAMPLES / "flow_crawl.py"), "-P", "start=index.md")
    said = outcome.result.value.splitlines()
    assert said[0] == "2 pages, 3 links between them"
    assert said[1] == f"missing: {(flowtester.path / 'sub' / 'gone.md').resolve()}"
    assert said[2] == "no link leads to b.md"
    assert outcome.recorder.results["crawl/links"].value == [[(flowtester.path / "a.md").resolve()]]


def test_the_documentation_of_this_project_has_no_missing_page(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_crawl.py")
    assert "missing" not in outcome.result.value


# The polling loop.


class Upload:
    """A plugin that goes on writing while the folder is being looked at, up to the second look."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "deep").mkdir(parents=True)
        self.write("half")

    def write(self, text: str) -> None:
        with (self.folder / "deep" / "a file.txt").open("a", encoding="utf-8") as file:
            file.write(text)

    @hookimpl
    def flowbuilder_step_repeat(self, rounds: int) -> None:
        if rounds == 1:
            self.write(" and half")


def test_a_folder_is_summed_up_when_it_has_come_to_rest(flowtester: FlowTester) -> None:
    upload = Upload(flowtester.path / "inbox")
    outcome = flowtester.run("run", str(EXAMPLES / "flow_poll.py"), "-P", "inbox=inbox", plugins=[upload])

    assert outcome.result.steps["look"].rounds == 3
    assert outcome.result.value == f"{hashlib.sha256(b'half and half').hexdigest()}  deep/a file.txt"


# The saga.


def published(target: Path) -> dict[str, str]:
    """Return all there is in a folder: files with their text, links with what they point to, the catalogue's rows."""
    found = {}
    for path in sorted(target.rglob("*")):
        if path.is_symlink():
            found[path.name] = f"-> {path.readlink()}"
        elif path.suffix == ".sqlite":
            with closing(sqlite3.connect(path)) as connection:
                found[path.name] = str(connection.execute("SELECT * FROM files").fetchall())
        elif path.is_file():
            found[str(path.relative_to(target))] = path.read_text(encoding="utf-8")
    return found


def test_a_folder_is_published_as_a_release(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_saga.py", "-P", "target=public")

    outcome.assert_counts(succeeded=5)
    found = published(flowtester.path / "public")
    release = found["current"].removeprefix("-> ")
    assert outcome.result.value == f"{release} is current: 4 files, 3 of them read"
    assert found[f"{release}/seattle-weather.csv"] == SEATTLE.read_text(encoding="utf-8")
    assert f"('{release}', 'seattle-weather.csv', {SEATTLE.stat().st_size})" in found["catalogue.sqlite"]


@pytest.mark.parametrize(("name", "text"), [("broken.json", '{"a":'), ("broken.csv", "a,b\n1\n")])
def test_a_release_with_a_broken_file_leaves_everything_as_it_was(flowtester: FlowTester, name: str, text: str) -> None:
    example(flowtester, "flow_saga.py", "-P", "target=public")
    before = published(flowtester.path / "public")
    flowtester.write("site/fine.txt", "fine")
    flowtester.write(f"site/{name}", text)
    outcome = example(flowtester, "flow_saga.py", "-P", "target=public", "-P", "source=site")

    assert outcome.exit_code == 1
    outcome.assert_lines("*undone *switched*", "*undone *catalogued*", "*undone *release*", f"note: in {name} of *")
    assert published(flowtester.path / "public") == before


def test_where_the_first_release_is_broken_nothing_is_published(flowtester: FlowTester) -> None:
    flowtester.write("site/broken.json", "{")
    outcome = example(flowtester, "flow_saga.py", "-P", "target=public", "-P", "source=site")

    assert outcome.result.undone_count == 3
    assert published(flowtester.path / "public") == {"catalogue.sqlite": "[]"}


# The nightly.


def test_a_night_s_work_shares_the_gpu_and_the_database(flowtester: FlowTester) -> None:
    with SEATTLE.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    months: Counter[str] = Counter()
    for row in rows:
        months[row["date"][:7]] += round(float(row["precipitation"]) * 10)
    (month, rain), *_ = months.most_common(1)
    outcome = example(flowtester, "flow_nightly.py", "--resource", "gpu=1", "--resource", "db=2")

    outcome.assert_counts(succeeded=8)
    values = {run.workflow: run.value for run in outcome.recorder.runs}
    last = float(rows[-1]["temp_max"])
    assert values["forecast"] == f"{last:.1f} °C, give or take 2.2 °C, by the mean of the last 1 of {len(rows)} days"
    assert values["archive"] == (
        f"{len(rows)} days in nightly.sqlite, the wettest month {month} with {rain / 10:.1f} mm"
    )
    assert values["outliers"].startswith("2014/04/30  27.8 °C, usually 15.0 °C\n")
    order = [run.workflow for run in outcome.recorder.runs if run.workflow != "archive"]
    assert order == ["forecast", "outliers"]


def test_a_night_s_work_says_what_it_needs(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_nightly.py", "--resource", "db=2")

    assert outcome.exit_code == 4
    assert "hint: say how much there is: --resource gpu=1" in outcome.stderr


# The replay.


def longest_path(graph: Path) -> float:
    """Return the critical path in seconds, as networkx sees it."""
    drawn: networkx.DiGraph[str] = networkx.DiGraph()
    for one in json.loads(graph.read_text())["tasks"]:
        drawn.add_edge("start", one["id"], weight=0)
        for name in one["parents"]:
            drawn.add_edge(name, one["id"])
        for _, _, data in drawn.in_edges(one["id"], data=True):
            data["weight"] = one["runtime_s"]
    return float(networkx.dag_longest_path_length(drawn))


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda path: path.stem)
def test_a_replay_takes_as_long_as_its_critical_path(graph: Path) -> None:
    longest = longest_path(graph)
    recorder = Recorder()
    params = {"graph": graph, "scale": 0.5 / longest}
    result = run(flow_replay.replay, params=params, plugins=[recorder]).raise_for_errors()

    assert result.steps["critical_path"].value == pytest.approx(0.5)
    assert recorder.nested[0].success_count == len(json.loads(graph.read_text())["tasks"])
    assert result.steps["replayed"].value >= 0.5


def test_a_replay_is_run_by_the_command_line(flowtester: FlowTester) -> None:
    outcome = example(flowtester, "flow_replay.py", "-P", f"graph={GRAPHS[0]}", "-P", "scale=0.001", "-P", "slots=8")

    outcome.assert_counts(succeeded=4)
    assert re.search(
        rf"{GRAPHS[0].stem}, 73 steps\ncritical path     0.118 s\nmakespan .+ times the critical path\none by one ",
        outcome.stdout,
    )


# The plugin.

NAPS = """
    import time
    from flowbuilder import step

    @step
    def nap(seconds: float) -> None:
        time.sleep(seconds)
"""


def nap(flowtester: FlowTester, seconds: float, *arguments: str) -> str:
    return flowtester.run("run", "flow_naps.py", "-P", f"seconds={seconds}", *arguments).stdout


def test_a_step_that_is_slower_than_in_earlier_runs_is_told(flowtester: FlowTester) -> None:
    flowtester.write("flow_naps.py", NAPS)
    usual = [nap(flowtester, 0.0, "-p", "examples.plugin_slower") for _ in range(3)]
    slow = nap(flowtester, 0.2, "-p", "examples.plugin_slower")

    assert not any("slower than usual" in text for text in usual)
    assert re.search(r"= slower than usual =+\nnap took 0\.\d\d s, usually 0\.05 s\n", slow)


def test_the_plugin_works_from_flowconf(flowtester: FlowTester) -> None:
    flowtester.write("flow_naps.py", NAPS)
    flowtester.write("flowconf.py", "from examples.plugin_slower import flowbuilder_configure\n")

    assert "nap took" not in nap(flowtester, 0.0)
    assert "nap took" in nap(flowtester, 0.2)


# The program.


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / "from_code.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_program_finds_duplicates(tmp_path: Path) -> None:
    for name, text in {"a.txt": "same", "sub/b.txt": "same", "c.txt": "else", "e.txt": "", "f.txt": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    done = program(str(tmp_path))

    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(
        r"kinds: \.txt 5\nlargest: (\w\.txt 4 bytes(, )?){3}\n"
        r"duplicates: 1, found in \d\.\d\d s\n  a\.txt = sub/b\.txt\n",
        done.stdout,
    )


def test_the_program_needs_a_folder() -> None:
    done = program("no-folder")

    assert (done.returncode, done.stderr) == (1, "'no-folder' is no folder\n")


def test_every_graph_names_its_source() -> None:
    readme = (EXAMPLES / "data" / "README.md").read_text(encoding="utf-8")

    for path in (EXAMPLES / "data").glob("*.[jc]s*"):
        assert f"`{path.name}`" in readme
    assert readme.count("LGPL-3.0") == len(GRAPHS)
