"""The picture is a document of its own, with a dot for each contender."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.benchmarks.picture import picture
from tests.benchmarks.samples import made, sample
from tests.benchmarks.workloads import OURS, THREADS

SVG = "{http://www.w3.org/2000/svg}"
MEASURED = made(
    chain_plain={OURS: (sample(0.001),), THREADS: (sample(0.1),), "pipefunc": (sample(0.01),)},
    fan_plain={OURS: (sample(0.006),), THREADS: (sample(0.010),)},
)


def test_the_dots_stand_where_a_logarithmic_axis_has_them() -> None:
    dots = ElementTree.fromstring(picture(MEASURED)).findall(f"{SVG}circle")
    left, middle, right = (int(dot.get("cx", "")) for dot in dots)

    # pipefunc is measured with a tenth of the steps: its dot is where the last one is.
    assert left < middle == right


def test_a_dot_has_its_name_and_figure_and_only_chosen_workloads_are_shown() -> None:
    texts = {one.text for one in ElementTree.fromstring(picture(MEASURED)).findall(f"{SVG}text")}

    assert {"chain of 1,000, plain functions", OURS, "1.00", "pipefunc (100)", "100"} <= texts
    assert "fan of 1,000, plain functions, two hooks listening" not in texts
