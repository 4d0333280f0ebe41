"""What the policies make of recorded graphs, and whether the documentation says so."""

from __future__ import annotations

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from statistics import fmean

import pytest

from flowbuilder.engine.policies import POLICIES
from tests.simulation.__main__ import main
from tests.simulation.graph import SHIPPED, Graph, recorded
from tests.simulation.simulation import makespan
from tests.simulation.table import Replay, in_steps, when_wrong

PAGE = Path(__file__).parent.parent.parent / "docs" / "explanation" / "which-step-first.md"
GRAPHS = recorded()
SLOTS = (4, 16, 64)


def mean_ratio(policy: str) -> float:
    return fmean(makespan(graph, policy, slots) / graph.bound(slots) for graph in GRAPHS for slots in SLOTS)


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
@pytest.mark.parametrize("slots", SLOTS)
def test_critical_path_is_never_2_percent_worse_than_fifo(graph: Graph, slots: int) -> None:
    assert makespan(graph, "critical-path", slots) <= 1.02 * makespan(graph, "fifo", slots)


def test_critical_path_is_better_than_every_other_policy_on_average() -> None:
    others = [mean_ratio(policy) for policy in POLICIES if policy != "critical-path"]

    assert mean_ratio("critical-path") < min(others)


@pytest.mark.parametrize("replay", [when_wrong, in_steps])
def test_critical_path_is_no_worse_than_fifo_on_average_where_run_times_are_wrong_or_unknown(replay: Replay) -> None:
    assert fmean(replay(graph, slots) / graph.bound(slots) for graph in GRAPHS for slots in SLOTS) <= mean_ratio("fifo")


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_a_run_alone_is_the_same_under_fifo_priority_and_fair(graph: Graph) -> None:
    assert makespan(graph, "fifo", 4) == makespan(graph, "priority", 4) == makespan(graph, "fair", 4)


@pytest.fixture(scope="module")
def printed() -> list[str]:
    """Return the lines that the command prints."""
    with redirect_stdout(StringIO()) as out:
        assert main([]) == 0
    return out.getvalue().splitlines()


def test_the_command_prints_each_graph_with_each_number_of_slots(printed: list[str]) -> None:
    names = {graph.name for graph in GRAPHS}

    shown = [(row[1], row[2]) for row in map(cells, printed) if len(row) > 1 and row[1] in names]
    assert shown == [(graph.name, str(slots)) for graph in GRAPHS for slots in SLOTS]


def test_the_page_shows_what_the_command_prints(printed: list[str]) -> None:
    page = [cells(line) for line in PAGE.read_text(encoding="utf-8").splitlines()]

    # The means on the page are of all recorded graphs, of which two are shipped.
    tables = [row for row in map(cells, printed) if len(row) > 1 and row[1] != "**mean**"]
    assert len(tables) == 2 + len(GRAPHS) * len(SLOTS) + 2 + 6
    assert [row for row in tables if row not in page] == []


def cells(line: str) -> list[str]:
    return [cell.strip(" -") for cell in line.split("|")]


def test_the_command_says_what_is_wrong_with_its_words(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=f"{tmp_path} has no recorded graph"):
        main([str(tmp_path)])
    with pytest.raises(SystemExit):
        main([str(SHIPPED), "--slots", "0"])
    assert "argument --slots: '0' is no whole number from 1" in capsys.readouterr().err
