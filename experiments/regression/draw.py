"""Draws the log of an air-quality station as a table.

    python experiments/regression/draw.py runs/data/air.csv

Four gas sensors answer to carbon monoxide and to nitrogen dioxide, each with saturation
and with errors that follow temperature and humidity; the two columns that are learned
are the gases in mg/m3 and ug/m3. Temperature is in units of 50 degrees and humidity a
part of one: columns share the one scale of an int8 input, so they need like ranges.
"""

import pathlib
import sys

import numpy as np

_ROWS = 3000
_COLUMNS = ("s1", "s2", "s3", "s4", "temperature", "humidity", "co", "no2")


def main() -> None:
    path = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(0)
    hours = np.arange(_ROWS)
    traffic = 1 + np.sin(2 * np.pi * hours / 24) ** 2 + generator.gamma(2, 0.3, _ROWS)
    co = np.round(traffic * generator.uniform(0.6, 1.4, _ROWS), 2)
    no2 = np.round(30 * traffic + generator.normal(0, 12, _ROWS) + 20, 1)
    temperature = (
        15 + 8 * np.sin(2 * np.pi * hours / (24 * 365)) + generator.normal(0, 4, _ROWS)
    )
    humidity = np.clip(60 - temperature + generator.normal(0, 10, _ROWS), 10, 95)
    gases = np.stack([co / 3, no2 / 90])
    mixture = np.array([[1.0, 0.1], [0.7, 0.3], [0.2, 1.0], [0.1, 0.8]])
    answers = np.tanh(0.7 * mixture @ gases)
    answers = answers * (1 - 0.008 * (temperature - 20)) + 0.001 * (humidity - 50)
    answers = answers + generator.normal(0, 0.015, answers.shape)
    table = np.stack([*answers, temperature / 50, humidity / 100, co, no2], axis=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = ",".join(_COLUMNS)
    np.savetxt(path, table, "%.4f", ",", header=header, comments="", encoding="utf-8")


if __name__ == "__main__":
    main()
