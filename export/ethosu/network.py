"""A network compiled for an Ethos-U, checked against the file that it was made of."""

import dataclasses

from tfpipeline import errors
from tfpipeline.ir import from_tflite, graph, tflite_file
from tfpipeline.targets.ethosu import placement, spec, vela


@dataclasses.dataclass(frozen=True, eq=False)
class Network:
    """Everything that is written.

    Attributes:
        name: of the network.
        config: what it is compiled for.
        compiled: what Vela made of the file itself.
        placed: where its operators went.
        g: the file as far as there are kinds of layers, for their names.
    """

    name: str
    config: spec.Config
    compiled: vela.Compiled
    placed: placement.Placement
    g: graph.Graph


def prepare(model: bytes, name: str, config: spec.Config) -> Network:
    """Compiles a full-integer `.tflite`.

    Args:
        model: the file.
        name: of the network.
        config: of the accelerator.

    Raises:
        VerificationError: the compiled file does not take and give what the file does,
            or its operators are not those that were placed.
        PipelineError: as `vela.compile_file`.
    """
    placed = placement.place(model, config)
    compiled = vela.compile_file(model, config)
    _verify(placed, tflite_file.parse(compiled.model), compiled)
    return Network(name, config, compiled, placed, from_tflite.read_partly(model).graph)


def _verify(
    placed: placement.Placement, found: tflite_file.Program, compiled: vela.Compiled
) -> None:
    """Compares what the compiled file holds with the file, and with the marked copy."""
    before = placed.program
    for role in ("inputs", "outputs"):
        ends = [
            [_end(program.tensors[i]) for i in getattr(program, role)]
            for program in (before, found)
        ]
        if ends[0] != ends[1]:
            raise errors.VerificationError(
                f"the compiled file has other {role}: {ends[1]}, not {ends[0]}"
            )
    kinds = [each.name for each in found.operators if each.name != placement.CUSTOM]
    left = [each.operator.name for each in placed.on_cpu]
    if sorted(kinds) != sorted(left):
        raise errors.VerificationError(
            f"the compiled file leaves {errors.listed(kinds)} to the CPU, not "
            f"{errors.listed(left)}"
        )
    if compiled.cycles != placed.compiled.cycles:
        raise errors.VerificationError(
            f"the same network takes {compiled.cycles:,} cycles under its own names "
            f"and {placed.compiled.cycles:,} under others. This is a defect of Vela"
        )


def _end(tensor: tflite_file.FileTensor) -> tuple[object, ...]:
    """What whoever feeds or reads a network must know of a tensor."""
    return tensor.shape, tensor.dtype, tensor.scales, tensor.zero_points
