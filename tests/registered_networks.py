"""The registered networks by what a test can do with them."""

import math

from tfpipeline.models import specs


def _is_portable(spec: specs.ModelSpec) -> bool:
    """Whether every scheme trains it: one result, and no PReLU."""
    is_vector = spec.output in (specs.Output.LOGITS, specs.Output.DESCRIPTOR)
    return is_vector and not spec.name.startswith(("arcface", "mobilefacenet_y"))


# Those that are quantized like a classifier: one vector comes out.
PORTABLE = tuple(name for name, spec in specs.MODELS.items() if _is_portable(spec))
# Those of the face detection, the CIFAR and the re-identification studies.
STUDIED = tuple(name for name in PORTABLE if not name.startswith("mobilefacenet"))
DETECTORS = tuple(
    name for name, spec in specs.MODELS.items() if spec.output is specs.Output.BOXES
)
DESCRIPTORS = tuple(
    name
    for name, spec in specs.MODELS.items()
    if spec.output is specs.Output.DESCRIPTOR
)
# Those that take seconds to build, of many layers or weights.
HEAVY = (
    *("lffd_v1", "lffd_v2", "lffd_head17", "mobilefacenet_y1", "mobilefacenet_y2"),
    *("arcface_r18", "arcface_r34", "arcface_r50", "arcface_r100"),
)


def output_shapes(name: str) -> list[tuple[int, ...]]:
    """Of the network called `name` with its own defaults, the batch of one included."""
    spec = specs.MODELS[name]
    if spec.output is specs.Output.MASK:
        factor = 2 if spec.name.endswith("_folded") else 1
        height, width, _ = spec.input_shape
        return [(1, factor * height, factor * width, spec.num_classes)]
    if spec.output is not specs.Output.BOXES:
        return [(1, spec.num_classes)]
    shapes = []
    for branch in spec.branches:
        # Cells whose field of view a convolution without padding, or a pool, has left.
        sides = [_cells(side, branch) for side in spec.input_shape[:2]]
        shapes += [(1, *sides, spec.num_classes), (1, *sides, 4)]
    return shapes


def _cells(side: int, branch: specs.Branch) -> int:
    # The last cell's window of strides lies inside the picture.
    reach = math.floor(branch.center)
    return (side - 1 - 2 * reach) // branch.stride + 1
