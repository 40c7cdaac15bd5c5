"""`python -m export --targets=max78000`: what the vendor's synthesis tool takes."""

import dataclasses
import pathlib
from typing import Annotated

from export.max78000 import files, network, sample
from export.target import Prepared, Target
from tfpipeline import model_source
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import global_pools, single_results
from tfpipeline.targets.max78000 import policy


@dataclasses.dataclass(frozen=True)
class Flags(fields.Config):
    """What the command line says of this target."""

    weight_bits: Annotated[
        int | None,
        Flag("Width of the weights of a float network; 8 if not given."),
    ] = None
    sample: Annotated[
        str | None,
        Flag("The input whose answer is recorded: a .png, or a .npy of integers."),
    ] = None


def prepare(model: str, given: Flags) -> Prepared:
    """The files of a network, with a known answer for every layer.

    Args:
        model: a graph, a Keras file or the folder of a run.
        given: flags.

    Raises:
        PipelineError: as `model_source.load`, `sample.read` and `network.prepare`.
    """
    # The device gives its input a scale of its own; what scales it is not a kernel's.
    source = model_source.with_weights(model, scaled_inputs=True)
    single_results.require(source.graph, "MAX78000")
    g = global_pools.as_pools(source.graph)
    bits = given.weight_bits or source.weight_bits
    image = None
    if given.sample is not None:
        image = sample.read(given.sample, g.tensors[g.inputs[0]].shape[1:])
    weights = None if bits is None else policy.Policy(weight_bits=bits)
    found = network.prepare(g, image, weights=weights)

    def report(output: pathlib.Path | None) -> list[str]:
        cost = found.cost
        return [
            f"model      {len(found.lowered.steps)} layers, "
            f"{cost.weight_bytes:,} bytes of weights, {cost.bias_bytes:,} of biases",
            f"latency    {cost.latency_cycles['ai8x']:,.0f} cycles, "
            f"{1e3 * cost.latency_seconds('ai8x'):.3f} ms by the vendor's model",
            *(f"note       {note}" for note in found.notes),
            f"written    {output}; {files.README_FILE} has the vendor's command",
        ]

    return Prepared(files.contents(found, g.name), report)


TARGET = Target(
    name="max78000",
    title="files of ai8x-synthesis",
    takes="a graph.json or a Keras file",
    flags=Flags(),
    prepare=prepare,
)
