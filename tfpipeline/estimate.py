"""What a network costs on each target: operations, memory and time, layer by layer.

    python -m tfpipeline.estimate --model=cmsisnet --target=max78000,stm32f746

Needs no board, no network and no TensorFlow (but for Keras files, functions and
SavedModels).
"""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Sequence
from typing import Annotated

from tfpipeline import entry, errors, model_source
from tfpipeline.board import measurement
from tfpipeline.configs import fields, network
from tfpipeline.configs.fields import Flag
from tfpipeline.cost import estimate
from tfpipeline.report import costs
from tfpipeline.targets import catalog, with_compilers
from tfpipeline.targets.max78000 import policy as policies
from tfpipeline.untrusted import content

_BOTH = "both"
_TARGETS = catalog.TARGETS | with_compilers.TARGETS
_LATENCY_MODELS = ("ai8x", "kernel_parallel", _BOTH)


@dataclasses.dataclass(frozen=True)
class Command(fields.Config):
    """What the command line says."""

    model: Annotated[str | None, Flag(f"The network: {model_source.FORMS}.")] = None
    model_options: network.ModelOptions = ()
    custom_objects: network.CustomObjects = None
    target: Annotated[
        tuple[str, ...],
        Flag(
            f"Targets; if neither these nor boards are given "
            f"{', '.join(catalog.SURVEYED)}.",
            choices=tuple(_TARGETS),
        ),
    ] = ()
    board: Annotated[
        tuple[str, ...],
        Flag(
            "Files that describe boards of your own, as `tfpipeline boards NAME` "
            "prints those that are known.",
            repeats=True,
        ),
    ] = ()
    latency_model: Annotated[
        str,
        Flag(
            "Of MAX78000: ai8x, the vendor tool's cycles; kernel_parallel, the face "
            "study's.",
            choices=_LATENCY_MODELS,
        ),
    ] = _BOTH
    weight_bits: Annotated[
        int | None,
        Flag(
            "Bits of a weight on MAX78000; if not given 8, 4 for facenet_v3, and as "
            "stored for files of fewer bits. 16 is for GAP8, activations alike.",
            choices=(1, 2, 4, 8, 16),
        ),
    ] = None
    policy: Annotated[
        str | None,
        Flag(
            "YAML file with weight_bits by layer on MAX78000, instead of "
            "--weight_bits.",
            check=policies.parse,
            name="quantization_policy",
            reads_file=True,
        ),
    ] = None
    activation_bits: Annotated[
        int | None,
        Flag(
            "Bits of an activation of a network that is not quantized yet, on STM32, "
            "tflm and GAP8 (whose weights are as wide); if not given 8, 16 for "
            "reid_squeezenet.",
            choices=(8, 16),
        ),
    ] = None
    fold: Annotated[
        int,
        Flag(
            "Side of the blocks of pixels that are moved into the input's channels, on "
            "MAX78000. The folded network must be trained anew.",
            low=1,
            high=16,
        ),
    ] = 1
    split_kernels: Annotated[
        bool,
        Flag(
            "On MAX78000, count 5x5 and 7x7 kernels as two and three 3x3. That is "
            "another network: what was trained is lost, and it must be trained anew."
        ),
    ] = False
    clock_mhz: Annotated[
        float | None,
        # Of gigahertz there is no such chip; nor may a cycle become nothing.
        Flag("Clock instead of each target's own.", low=0.001, high=10_000.0),
    ] = None
    measurement: Annotated[
        str | None,
        Flag(
            "A .json of tfpipeline run: what a board of yours took, by which the "
            "latencies of its target are scaled, beside the models' own."
        ),
    ] = None
    format: Annotated[str, Flag("Of the output.", choices=("text", "json", "csv"))] = (
        "text"
    )


def main(command: Command) -> None:
    """Prints the estimate of --model; fails where a target that was asked for fails."""
    name, estimates = run(command)
    print(_render(name, estimates, command.format), end="")
    _require_fit(command, estimates)


def run(command: Command) -> tuple[str, list[estimate.Estimate]]:
    """The network's name, and what it costs on each target.

    Raises:
        UsageError: no network is named.
        PipelineError: it cannot be read.
    """
    if not command.model:
        raise errors.UsageError(
            "say what to estimate: --model=NAME_OR_PATH. Networks: "
            f"{', '.join(model_source.names())}"
        )
    boards = catalog.of_files(command.board, taken=_TARGETS)
    named = [_TARGETS[name] for name in dict.fromkeys(command.target)]
    surveyed = [_TARGETS[name] for name in catalog.SURVEYED]
    source = model_source.load(
        command.model,
        partly=True,
        model_options=command.model_options,
        custom_objects=command.custom_objects,
    )
    options = _options(command, source)
    found = [
        each.estimate(source.graph, options) for each in (named + boards or surveyed)
    ]
    if command.measurement is not None:
        known = measurement.read(command.measurement)
        found = [measurement.applied(each, known) for each in found]
    return source.graph.name, [
        dataclasses.replace(each, notes=(*source.notes, *each.notes)) for each in found
    ]


def _options(command: Command, source: model_source.Source) -> estimate.Options:
    clock = command.clock_mhz
    if command.policy is not None and command.weight_bits is not None:
        raise errors.UsageError(
            "--quantization_policy says the bits of weights: leave out --weight_bits"
        )
    policy = None if command.policy is None else policies.parse(command.policy)
    bits = command.weight_bits if policy is None else policy.weight_bits
    return estimate.Options(
        weight_bits=bits or source.weight_bits,
        layer_bits={} if policy is None else policy.overrides,
        activation_bits=command.activation_bits or source.activation_bits,
        fold=command.fold,
        split_kernels=command.split_kernels,
        clock_hz=None if clock is None else 1e6 * clock,
        latency_models=()
        if command.latency_model == _BOTH
        else (command.latency_model,),
        to_tflite=functools.partial(_file, command, source),
    )


def _file(command: Command, source: model_source.Source) -> bytes:
    """The network as a `.tflite` of integers: the user's own, or what is made of it."""
    # Imports that only a target with a compiler needs.
    from export.tflite import from_graph
    from tfpipeline.precision import assumed

    assert command.model is not None
    path, g = pathlib.Path(command.model), source.graph
    if all(tensor.dtype == "float32" for tensor in g.tensors.values()):
        bits = command.activation_bits or source.activation_bits
        return from_graph.to_bytes(assumed.integers(g, bits))
    if path.suffix.lower() == ".tflite" and path.is_file():
        return content.read(path)
    return from_graph.to_bytes(g)


def _render(model: str, estimates: Sequence[estimate.Estimate], form: str) -> str:
    if form == "json":
        return json.dumps(costs.to_dict(model, estimates), indent=2) + "\n"
    if form == "csv":
        return costs.to_csv(model, estimates)
    return costs.to_text(model, estimates)


def _require_fit(command: Command, estimates: Sequence[estimate.Estimate]) -> None:
    """Fails for what was asked by name; in the survey of all, some may not fit."""
    failing = [each for each in estimates if each.violations]
    is_asked = command.target or command.board
    if not failing or (not is_asked and len(failing) < len(estimates)):
        return
    raise errors.TargetError(
        f"'{command.model}' does not fit "
        f"{', '.join(each.target for each in failing)}: "
        f"{costs.first_reason(failing[0])}"
    )


if __name__ == "__main__":
    entry.start(main, "estimate", Command(), arguments=("model",))
