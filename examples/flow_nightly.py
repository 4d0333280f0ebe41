"""Do the work of a night: two workflows that need the one GPU, and one whose steps write to a database two at a time.

flowbuilder run examples/flow_nightly.py --resource gpu=1 --resource db=2
"""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from pathlib import Path
from statistics import fmean

from flowbuilder import step, workflow

SEATTLE = Path(__file__).parent / "data" / "seattle-weather.csv"
Rows = list[tuple[str, float, float]]


@step
def days(source: Path = SEATTLE) -> Rows:
    """Read a row for each day: its date as year/month/day, rain in mm, the highest temperature in °C."""
    with source.open(encoding="utf-8", newline="") as file:
        return [(row["date"], float(row["precipitation"]), float(row["temp_max"])) for row in csv.DictReader(file)]


@step(each={"window": [1, 2, 3, 7, 30]})
def trial(window: int, days: Rows) -> tuple[float, int]:
    """Return by how much the mean of so many days is off, on average, from the day that follows."""
    highs = [high for _, _, high in days]
    return fmean(abs(highs[at] - fmean(highs[at - window : at])) for at in range(window, len(highs))), window


@workflow(priority=10, resources={"gpu": 1}, timeout=60)
def forecast(trial: list[tuple[float, int]], days: Rows) -> str:
    """Forecast tomorrow's temperature by the window that did best; the GPU is for this before all else."""
    off, window = min(trial)
    tomorrow = fmean(high for _, _, high in days[-window:])
    return f"{tomorrow:.1f} °C, give or take {off:.1f} °C, by the mean of the last {window} of {len(days)} days"


@workflow(resources={"gpu": 1})
def outliers(days: Rows, top: int = 3) -> str:
    """Name the days that were furthest from what is usual in their month, once the GPU is free."""
    usual = {month: fmean(high for date, _, high in days if date[5:7] == month) for month in {d[0][5:7] for d in days}}
    far = sorted(days, key=lambda day: -abs(day[2] - usual[day[0][5:7]]))[:top]
    return "\n".join(f"{date}  {high:.1f} °C, usually {usual[date[5:7]]:.1f} °C" for date, _, high in far)


@step(each={"year": ["2012", "2013", "2014", "2015"]}, resources={"db": 1}, retries=2)
def stored(year: str, days: Rows, database: Path = Path("nightly.sqlite")) -> int:
    """Store the days of a year, in the place of what was stored of it before."""
    rows = [day for day in days if day[0].startswith(year)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("CREATE TABLE IF NOT EXISTS days (date TEXT PRIMARY KEY, rain REAL, high REAL)")
        connection.executemany("INSERT OR REPLACE INTO days VALUES (?, ?, ?)", rows)
    return len(rows)


@workflow(priority=5)
def archive(stored: list[int], database: Path = Path("nightly.sqlite")) -> str:
    """Store all years, and ask the database for the wettest month."""
    with closing(sqlite3.connect(database)) as connection:
        query = "SELECT substr(date, 1, 7) AS month, sum(rain) FROM days GROUP BY month ORDER BY 2 DESC LIMIT 1"
        month, rain = connection.execute(query).fetchone()
    return f"{sum(stored)} days in {database.name}, the wettest month {month} with {rain:.1f} mm"
