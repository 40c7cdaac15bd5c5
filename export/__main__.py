"""Writes a network in the format of a target's own tools, and verifies it.

python -m export --model=NETWORK.tflite --targets=int8 --output=FOLDER
"""

import pathlib
from collections.abc import Sequence

from absl import flags

from export.tflite import verify
from tfpipeline import entry, errors

TARGETS = ("int8",)

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "A .tflite file, or the folder of a run (its export/int8/model.tflite is taken).",
)
_TARGETS = flags.DEFINE_list(
    "targets", ["int8"], f"What to export for, of: {', '.join(TARGETS)}."
)
_OUTPUT = flags.DEFINE_string(
    "output", None, "Folder that gets model.tflite and verification.json; optional."
)


def main(argv: Sequence[str]) -> None:
    """Verifies the network of --model and reports in a few lines."""
    del argv  # entry.run refuses any.
    for target in _TARGETS.value:
        if target not in TARGETS:
            raise errors.UsageError(
                f"unknown target '{target}' in --targets: choose of "
                f"{', '.join(TARGETS)}"
            )
    model = _read(_MODEL.value)
    verification = verify.inspect(model)
    if _OUTPUT.value is not None:
        verify.write(_OUTPUT.value, model, verification)
    for line in _report(verification):
        print(line)


def _read(path: str | None) -> bytes:
    if not path:
        raise errors.UsageError("say what to export: --model=NETWORK.tflite")
    file = pathlib.Path(path)
    if file.is_dir():
        file = file / "export" / "int8" / verify.MODEL_FILE
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.ExportError(
            f"cannot read {file}: {error.strerror or error}"
        ) from error


def _report(verification: verify.Verification) -> list[str]:
    arena = verification.arena
    compared = verification.operator_agreement
    inexact = sum(row.differing for row in compared)
    smallest = "smallest" if arena.is_smallest else "not proven the smallest"
    lines = [
        f"model      {verification.model_bytes} bytes, "
        f"{len(verification.operators)} operators, full integer",
        f"input      int8 {verification.input.shape}, "
        f"scale {verification.input.scale:g}, "
        f"zero point {verification.input.zero_point}",
        f"output     int8 {verification.output.shape}, "
        f"scale {verification.output.scale:g}, "
        f"zero point {verification.output.zero_point}",
        f"arena      {arena.arena_bytes} bytes on this 64-bit machine ({smallest})",
        f"agreement  TFLite's reference equals TFLite Micro in "
        f"{sum(row.elements for row in compared) - inexact} of "
        f"{sum(row.elements for row in compared)} results, "
        f"at most {max(row.max_lsb for row in compared)} LSB apart",
    ]
    if _OUTPUT.value is not None:
        lines.append(f"written    {_OUTPUT.value}")
    return lines


if __name__ == "__main__":
    entry.run(main, "export")
