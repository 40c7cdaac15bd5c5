"""The C that makes boxes of a detector's maps, beside the files of its network."""

import math
import pathlib
from collections.abc import Mapping, Sequence

from export.detection import c_decoder
from tfpipeline import atomic_files, errors, run_folder
from tfpipeline.detection import decoding, integer_decoding, layout
from tfpipeline.ir import graph
from tfpipeline.targets.tflm import flatbuffer


def of_run(model: str, name: str, outputs: Sequence[graph.Tensor]) -> dict[str, str]:
    """The decoder of what a run of --task=detection exports; nothing for others.

    Args:
        model: `--model`, the folder of a run or anything else.
        name: of the network.
        outputs: of the network's integers, in the run's order.

    Raises:
        ExportError: the outputs are not the run's.
    """
    folder = run_folder.RunFolder(pathlib.Path(model))
    if not pathlib.Path(model).is_dir() or not run_folder.is_run(folder):
        return {}
    if not folder.results_json.is_file():
        return {}
    maps = atomic_files.read_json(folder.results_json).get("task", {}).get("maps")
    return {} if maps is None else contents(layout.from_dict(maps), name, outputs)


def contents(
    maps: layout.Layout,
    name: str,
    outputs: Sequence[graph.Tensor],
    threshold: float = decoding.THRESHOLD,
) -> dict[str, str]:
    """NAME_boxes.h and NAME_boxes.c; arguments and errors are those of `decoder`."""
    bits = 16 if outputs[0].dtype == "int16" else 8
    return c_decoder.contents(decoder(maps, name, outputs, threshold), name, bits)


def decoder(
    maps: layout.Layout,
    name: str,
    outputs: Sequence[graph.Tensor],
    threshold: float = decoding.THRESHOLD,
) -> integer_decoding.Decoder:
    """The integers of a detector's decoder.

    Args:
        maps: of the detector.
        name: of the network.
        outputs: logits and boxes of each branch, with their scales.
        threshold: the softmax's share above which boxes stay.

    Raises:
        ExportError: other outputs than the detector's, or of several types.
    """
    sizes = tuple(math.prod(tensor.shape[1:]) for tensor in outputs)
    types = {tensor.dtype for tensor in outputs}
    if sizes != maps.part_sizes or types not in ({"int8"}, {"int16"}):
        raise errors.ExportError(
            f"'{name}' has outputs of {list(sizes)} values ({', '.join(sorted(types))})"
            f", its detector of {list(maps.part_sizes)}: there are no boxes in them"
        )
    return integer_decoding.prepare(
        maps.branches,
        maps.cells,
        [
            integer_decoding.Quantization(_scale(logits), *_scale_and_zero(boxes))
            for logits, boxes in zip(outputs[0::2], outputs[1::2], strict=True)
        ],
        maps.size,
        threshold=threshold,
    )


def lines(made: Mapping[str, str]) -> list[str]:
    """What the user is told."""
    header = next((name for name in made if name.endswith(".h")), None)
    return [] if header is None else [f"boxes      C that decodes them: {header}"]


def outputs_of(program: flatbuffer.Program) -> list[graph.Tensor]:
    """The outputs of a `.tflite` with their scales."""
    return [
        graph.Tensor(
            tensor.name,
            tensor.shape,
            tensor.dtype,
            graph.QuantParams(
                tensor.scales[:1],
                tensor.zero_points[:1],
                16 if tensor.dtype == "int16" else 8,
            ),
        )
        for tensor in (program.tensors[index] for index in program.outputs)
    ]


def _scale(tensor: graph.Tensor) -> float:
    return _scale_and_zero(tensor)[0]


def _scale_and_zero(tensor: graph.Tensor) -> tuple[float, int]:
    assert tensor.quant is not None
    return tensor.quant.scale[0], tensor.quant.zero_point[0]
