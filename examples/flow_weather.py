"""Summarise the weather of each year in a file of daily records, all years in parallel.

flowbuilder run examples/flow_weather.py
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from flowbuilder import step, workflow

SEATTLE = Path(__file__).parent / "data" / "seattle-weather.csv"


class Day(NamedTuple):
    """One day; rain in mm, the highest temperature in °C."""

    date: str
    rain: float
    high: float


@step
def days(source: Path = SEATTLE) -> list[Day]:
    """Read the file, a row for each day."""
    with source.open(encoding="utf-8", newline="") as file:
        return [Day(row["date"], float(row["precipitation"]), float(row["temp_max"])) for row in csv.DictReader(file)]


@step
def years(days: list[Day]) -> list[str]:
    """Find the years there are."""
    return sorted({day.date[:4] for day in days})


@step(each={"year": "years"})
def line(year: str, days: list[Day]) -> str:
    """Sum up one year."""
    own = [day for day in days if day.date.startswith(year)]
    rain, wet = sum(day.rain for day in own), sum(day.rain > 0 for day in own)
    warmest = max(own, key=lambda day: day.high)
    return f"{year}  {rain:7.0f} mm on {wet:3} days   {warmest.high:.1f} °C on {warmest.date}  {'▪' * round(rain / 50)}"


@workflow
def weather(line: list[str]) -> str:
    """Show rain and the warmest day of each year."""
    return "\n".join(line)
