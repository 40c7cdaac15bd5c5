"""`python -m export --targets=tflm`: a bundle, and what is told of it."""

import pathlib

from export.tflm import bundle, files, origin
from tfpipeline import errors


def run(
    model: str,
    output: pathlib.Path | None,
    *,
    with_plan: bool = False,
    sample: str | None = None,
    labels: str | None = None,
) -> list[str]:
    """Writes the bundle of a network.

    Args:
        model: a `.tflite` file, or the folder of a run.
        output: folder that gets the files.
        with_plan: whether our plan of the arena goes into the file where it saves.
        sample: a `.npy`, the input whose answer is recorded beside a random one's.
        labels: a text file with the name of each output, one a line.

    Returns:
        Lines for the user.

    Raises:
        PipelineError: as `origin`, `bundle.prepare` and `files.write`; a UsageError
            without `output`.
    """
    if output is None:
        raise errors.UsageError("say where the files go: --output=FOLDER")
    file, name = origin.find(model)
    made = bundle.prepare(
        origin.read(file),
        name,
        with_plan=with_plan,
        sample=sample,
        labels=origin.read_labels(labels) if labels else (),
    )
    files.write(output, made)
    saved = made.plan.greedy_bytes - made.plan.head_bytes
    how = "saved by the file" if made.is_planned else "to save with --offline_plan"
    return [
        f"model      {len(made.model):,} bytes, {len(made.program.operators)} "
        f"operators of {len(made.methods)} kinds",
        f"arena      {made.arm.arena_bytes:,} bytes on a 32-bit Arm core, by rule; "
        f"measured {made.measured_bytes:,} on this 64-bit machine",
        f"plan       {made.plan.head_bytes:,} bytes by ours, "
        f"{made.plan.greedy_bytes:,} by TensorFlow Lite Micro's"
        + (f"; {saved:,} {how}" if saved > 0 else ""),
        f"answers    {len(made.cases)}, of TensorFlow Lite Micro's interpreter",
        f"written    {output}; README.md says how to build and check it",
    ]
