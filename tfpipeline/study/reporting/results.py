"""From a study's records to its files: summary.json, results.csv and report.html."""

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tfpipeline import atomic_files, errors
from tfpipeline.report_pages import page
from tfpipeline.study.measures import records
from tfpipeline.study.reporting import (
    classification,
    detection,
    outcome,
    segmentation,
    verification,
)
from tfpipeline.study.running import pictures, settings, sources, steps


def write(command: settings.Command, done: steps.Steps) -> list[str]:
    """Measures all records, and writes what they say.

    Returns:
        Lines for the user.

    Raises:
        DataError: records are missing, or do not go together.
        StorageError: a file cannot be written.
    """
    found = steps.read(done.root)
    forms = _forms(command, found)
    refused = {name: step.refused for name, step in done.done().items() if step.refused}
    measured = _measured(command, found, forms)
    title = f"Number formats: {measured.rows[0].study}"
    sections = (*measured.sections, *outcome.refusals(refused), _made(command, done))
    files = {
        "summary.json": atomic_files.json_text(
            {
                "study": measured.rows[0].study,
                "seed": command.seed,
                "refused": refused,
                "results": outcome.summary(measured.rows),
            }
        ),
        "results.csv": _csv(measured.rows),
        "report.html": page.render(title, sections),
    }
    lines = []
    for name, text in files.items():
        atomic_files.write_text(done.root / name, text)
        lines.append(f"written    {done.root / name}")
    return [*_told(measured.sections[0]), *lines]


def _forms(
    command: settings.Command, found: Sequence[records.Record]
) -> tuple[str, ...]:
    """Formats that have records, in the order of the flag; all there are if only
    measured."""
    # Of a cascade, the verifier's.
    stage = command.stages()[-1]
    known = [r.format for r in found if r.stage.split("/")[0] == stage]
    there = dict.fromkeys(known)
    chosen = [form for form in command.formats if form in there]
    if command.measure_only:
        chosen += [form for form in there if form not in chosen]
    if not chosen:
        raise errors.DataError(
            "there are no records of any of --formats: " + ", ".join(command.formats)
        )
    return tuple(chosen)


def _measured(
    command: settings.Command,
    found: Sequence[records.Record],
    forms: tuple[str, ...],
) -> outcome.Outcome:
    arguments: dict[str, Any] = {
        "resamples": command.resamples,
        "seed": command.seed,
    }
    given = command.stages()
    if settings.VERIFIER in given:
        return verification.measure(found, forms, **arguments)
    classes, pictures = _pictures(command)
    if given == (settings.DETECTOR,):
        return detection.measure(found, forms, pictures=pictures, **arguments)
    arguments |= {"classes": classes, "pictures": pictures}
    if given == (settings.SEGMENTER,):
        return segmentation.measure(found, forms, **arguments)
    return classification.measure(found, forms, **arguments)


def _pictures(
    command: settings.Command,
) -> tuple[tuple[str, ...], Iterator[tuple[str, npt.NDArray[np.uint8]]]]:
    """Names of the classes, and the pictures one at a time; none without --data."""
    if not command.data.data:
        return (), iter(())
    source: sources.Source = pictures.source(command)
    samples = ((each.name, each.picture) for each in source.read())
    return source.classes, samples


def _made(command: settings.Command, done: steps.Steps) -> page.Section:
    """How the records came about."""
    networks = [
        f"{stage}: {getattr(command.networks, stage)}" for stage in command.stages()
    ]
    rows = tuple(
        (name, f"{step.samples:,}", f"{step.seconds:,.0f} s")
        for name, step in sorted(done.done().items())
        if not step.refused
    )
    tables = (page.Table(("step", "records", "took"), rows),) if rows else ()
    return page.Section("How it was made", tuple(networks), tables)


def _csv(rows: Sequence[outcome.Row]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(outcome.COLUMNS)
    for row in rows:
        if row.value is None:  # What the examples cannot give.
            continue
        values = {**dataclasses.asdict(row), "value": f"{row.value:.6g}"}
        writer.writerow([values[name] for name in outcome.COLUMNS])
    return stream.getvalue()


def _told(section: page.Section) -> list[str]:
    """The first table of the report in plain text."""
    lines = [section.title]
    for table in section.tables:
        cells = [table.head, *(tuple(map(str, row)) for row in table.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(table.head))]
        lines += [
            "  ".join(
                cell.ljust(width) for cell, width in zip(row, widths, strict=True)
            ).rstrip()
            for row in cells
        ]
    return lines
