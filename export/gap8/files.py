"""The folder of a network for GAP8: AutoTiler's model, weights, plan, known answers."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping

from export.gap8 import (
    autotiler_model,
    c_network,
    l2_header,
    layer_records,
    network,
    nntool_files,
    precisions,
    readme,
    weight_files,
)
from tfpipeline import marked_folder
from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import program_file, simulate

README_FILE = "README.txt"
ANSWERS_FOLDER = "known_answers"
ANSWERS_FILE = f"{ANSWERS_FOLDER}/answers.json"

# Bytes of L2 for the AutoTiler where there is no plan: what NNTool 4.1 writes.
_L2_BYTES = 300_000


def write(path: str | os.PathLike[str], found: network.Network) -> None:
    """Writes `contents`, in place of those of an earlier export to `path`.

    Raises:
        ForeignFileError: the folder holds what is not ours.
        StorageError: the folder cannot be written.
    """
    marked_folder.write(path, contents(found))


def contents(found: network.Network) -> dict[str, str | bytes]:
    """All files by name."""
    answers = known_answers(found)
    return {**dict(_texts(found, answers)), **dict(_binaries(found, answers))}


def _texts(
    found: network.Network, answers: Mapping[str, graph.Array]
) -> Iterator[tuple[str, str]]:
    p, name = found.program, found.name
    l2_bytes = _L2_BYTES if found.plan is None else found.plan.peak_bytes
    yield README_FILE, readme.text(found)
    yield (
        f"{name}_model.c",
        autotiler_model.text(p, found.calls, name, l2_bytes),
    )
    yield f"{name}_weights.h", weight_files.header(p, name)
    yield f"{name}_q.h", layer_records.q_header(p, name)
    if found.plan is not None:
        yield f"{name}_l2_plan.h", l2_header.text(found.plan, name)
    yield from layer_records.files(p)
    yield f"c/{name}.h", c_network.header(p, name)
    yield f"c/{name}.c", c_network.source(p, name)
    yield f"c/{name}_test.c", c_network.test(p, name, found.samples, answers)
    yield ANSWERS_FILE, json.dumps(_described(found, answers), indent=2) + "\n"


def _binaries(
    found: network.Network, answers: Mapping[str, graph.Array]
) -> Iterator[tuple[str, bytes]]:
    yield program_file.FILE_NAME, program_file.to_bytes(found.program)
    yield from weight_files.blobs(found.program)
    for index, image in enumerate(found.samples):
        yield f"{ANSWERS_FOLDER}/input_{index}.bin", weight_files.blob(image)
    for precision, values in answers.items():
        for index, each in enumerate(values):
            file = f"{ANSWERS_FOLDER}/output_{index}.{precision}.bin"
            yield file, weight_files.blob(each)
    yield from nntool_files.files(found)


def known_answers(found: network.Network) -> Mapping[str, graph.Array]:
    """Outputs for the samples, by precision."""
    return {
        precision: simulate.rows(found.program, found.samples, precision)
        for precision in precisions.possible(found.program)
    }


def _described(
    found: network.Network, answers: Mapping[str, graph.Array]
) -> dict[str, object]:
    p = found.program
    ends = {"input": p.input}
    if len(p.outputs) == 1:
        ends["output"] = p.tensors[p.outputs[0]]
    else:
        # One behind the other in the files.
        ends |= {f"output{i}": p.tensors[name] for i, name in enumerate(p.outputs)}
    return {
        "num_bits": p.num_bits,
        "model_precision": found.precision,
        **{
            end: {"shape": tensor.shape, "fraction_bits": tensor.q}
            for end, tensor in ends.items()
        },
        "samples": len(found.samples),
        "output_sha256": {
            precision: [hashlib.sha256(each.tobytes()).hexdigest() for each in values]
            for precision, values in answers.items()
        },
        "from": "images" if found.images is not None else "random integers",
    }
