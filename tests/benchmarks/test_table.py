"""Tables in full, as they are read."""

from __future__ import annotations

from tests.benchmarks.samples import made, sample
from tests.benchmarks.table import markdown, number, text
from tests.benchmarks.workloads import OURS, THREADS

MEASURED = made(
    chain_plain={OURS: (sample(0.005),), THREADS: (sample(0.025, others=0.2),), "pipefunc": (sample(0.002),)},
    layers_plain={OURS: (sample(0.012),), THREADS: (sample(0.010),)},
    fan_plain={OURS: (sample(0.006),), THREADS: (sample(0.010),)},
)
CONDITIONS = (
    "Measured on 2026-01-02 with `make bench` on 2 cores, Python 3.11.7 (anyio 4.16.0), while other processes used 0.0"
    " of its processors."
)


def test_the_text_has_each_contender_with_its_ratio_and_says_what_is_not_held() -> None:
    assert text(MEASURED).splitlines() == [
        "fan of 1,000, plain functions, two hooks listening: µs a step",
        "  FlowBuilder                       6.00      0.60 ×  held, at most 0.6 ×",
        "  graphlib + threads                10.0      1.00 ×",
        "",
        "chain of 1,000, plain functions: µs a step",
        "  FlowBuilder                       5.00      0.20 ×  held, at most 0.2 ×",
        "  pipefunc (100)                    20.0      0.80 ×",
        "  graphlib + threads                25.0      1.00 ×",
        "",
        "layers of 10 × 100, plain functions: µs a step",
        "  graphlib + threads                10.0      1.00 ×",
        "  FlowBuilder                       12.0      1.20 ×  NOT held, at most 1 ×",
        "",
        "dask is left out of chain-plain: dask is not installed.",
        "",
        CONDITIONS,
    ]


def test_the_markdown_has_a_line_for_each_workload_and_the_short_one_for_the_telling_ones() -> None:
    fan = "| fan of 1,000, plain functions, two hooks listening, µs a step | 6.00 | graphlib + threads 10.0 | 0.60 × |"
    chain = "| chain of 1,000, plain functions, µs a step | 5.00 | graphlib + threads 25.0 | 0.20 × | 0.2 × |"
    layers = "| layers of 10 × 100, plain functions, µs a step | 12.0 | graphlib + threads 10.0 | 1.20 × | 1 × |"
    lines = [f"{fan} 0.6 × |  |", f"{chain} pipefunc (100) 20.0 |", f"{layers}  |"]

    assert markdown(MEASURED).splitlines()[2:] == [*lines, "", CONDITIONS]
    assert markdown(MEASURED, short=True).splitlines()[2:] == [chain, layers, "", CONDITIONS]


def test_a_number_has_three_digits_that_matter() -> None:
    figures = {0.131: "0.13", 9.99: "9.99", 20.56: "20.6", 193.4: "193", 27_184.0: "27,184"}

    assert {figure: number(figure) for figure in figures} == figures
