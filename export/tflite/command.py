"""`python -m export --targets=int8` and int16x8: verifies a `.tflite`, narrows it."""

import dataclasses
import functools
import pathlib
from typing import Annotated

from export import given as givens
from export.target import Prepared, Target
from export.tflite import (
    after_training,
    from_graph,
    lowering,
    normal_form,
    offline_plan,
    small_weights,
    verify,
    weight_widths,
)
from tfpipeline import errors, model_source, run_folder
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.ir import graph, tflite_file
from tfpipeline.numerics import lost_weights
from tfpipeline.post_training import loss
from tfpipeline.precision import bias_correction
from tfpipeline.untrusted import content

_OfflinePlan = Annotated[
    bool,
    Flag(
        "Write our plan of the arena into the file, where TensorFlow Lite Micro takes "
        "it instead of making its own."
    ),
]


@dataclasses.dataclass(frozen=True)
class Int8Flags(fields.Config):
    """What the command line says of int8."""

    offline_plan: _OfflinePlan = False
    weight_bits: Annotated[
        int | None,
        Flag(
            "4 quantizes the weights of the network to 4 bits, as TensorFlow Lite "
            "Micro reads them; with --compress 2 to 7."
        ),
    ] = None
    float_model: Annotated[
        str | None,
        Flag(
            "With --weight_bits: the float network that --model was quantized from, "
            "for its weights; those of 8 bits are rounded a second time."
        ),
    ] = None
    compress: Annotated[
        bool,
        Flag(
            "Store weights of few different values as indices into tables, which "
            "TensorFlow Lite Micro decodes."
        ),
    ] = False

    @property
    def weights_change(self) -> bool:
        """Whether the file is to get other weights, or other forms of them."""
        narrows = self.weight_bits not in (None, 8)
        return self.compress or self.float_model is not None or narrows


@dataclasses.dataclass(frozen=True)
class Int16x8Flags(fields.Config):
    """What the command line says of int16x8."""

    offline_plan: _OfflinePlan = False


def prepare_int8(given: givens.Given, flags: Int8Flags) -> Prepared:
    """A verified TFLite network, with its weights narrowed or compressed if asked.

    Args:
        given: a file, a graph or the folder of a run; with calibration data a float
            network, which is quantized here.
        flags: of the target.

    Raises:
        UsageError: flags that do not go together.
        PipelineError: as `verify.inspect` and `small_weights.make`.
    """
    if given.calibration is not None:
        return _after_training(given.int8, "int8", flags, given)
    file = read(given, "int8", unpack=flags.compress)
    network = normal_form.normal(file)
    if flags.weights_change:
        float_graph = _float_graph(flags)
        return _of_small(
            _made_small(network, given.name, flags, float_graph, given), network
        )
    return _verified(network, "int8", flags.offline_plan)


def prepare_int16x8(given: givens.Given, flags: Int16x8Flags) -> Prepared:
    """As `prepare_int8`, for 16-bit activations beside 8-bit weights."""
    if given.calibration is not None:
        return _after_training(given.int16x8, "int16", flags, given)
    network = normal_form.normal(read(given, "int16x8"))
    return _verified(network, "int16", flags.offline_plan)


def _after_training(
    file: after_training.File,
    dtype: str,
    flags: Int8Flags | Int16x8Flags,
    given: givens.Given,
) -> Prepared:
    network = normal_form.Normal(file.data, ())
    if isinstance(flags, Int8Flags) and flags.weights_change:
        if flags.float_model is not None:
            raise errors.UsageError(
                "leave out --float_model: with --calibration --model is the float "
                "network"
            )
        made = _made_small(network, given.name, flags, file.float_graph, given)
        cost = file.cost
        if made.narrow is not None:
            cost = after_training.cost(
                given.network,
                file.float_graph,
                made.narrow,
                f"{dtype}, weights of {made.weight_bits} bits",
            )
        return _of_small(made, network, cost)
    prepared = _verified(network, dtype, flags.offline_plan)
    return dataclasses.replace(prepared, cost=file.cost)


def _float_graph(flags: Int8Flags) -> graph.Graph | None:
    if flags.float_model is None:
        return None
    if flags.weight_bits in (None, 8):
        raise errors.UsageError("--float_model needs --weight_bits")
    return model_source.load(flags.float_model).graph


def _verified(found: normal_form.Normal, dtype: str, with_plan: bool) -> Prepared:
    data = offline_plan.with_plan(found.model) if with_plan else found.model
    verification = verify.inspect(data, types=[dtype])
    return Prepared(
        verify.contents(data, verification),
        functools.partial(
            _report, [*_lines(verification), *_lost(data), *_noted(found)]
        ),
    )


def _noted(found: normal_form.Normal) -> list[str]:
    return [f"changed    {note}" for note in found.notes]


def _made_small(
    found: normal_form.Normal,
    name: str,
    flags: Int8Flags,
    float_graph: graph.Graph | None,
    given: givens.Given,
) -> small_weights.SmallWeights:
    """Narrows or compresses the weights of a TFLite network, and verifies it."""
    if flags.offline_plan:
        raise errors.UsageError(
            "--offline_plan does not go with --weight_bits and --compress: the plan is "
            "of the tensors of the file as it is"
        )
    bits = None if flags.weight_bits == 8 else flags.weight_bits
    float_graph = None if bits is None else float_graph

    def corrected(narrow: graph.Graph) -> graph.Graph:
        assert float_graph is not None
        network = given.network
        real = lowering.lower(float_graph)
        return bias_correction.corrected(real, narrow, network.inputs, network.run)

    return small_weights.make(
        found.model,
        weight_bits=bits,
        compress=flags.compress,
        float_graph=float_graph,
        # Those of 8 bits have made up for other roundings.
        correct=corrected if given.options.bias_correction else None,
        name=name,
    )


def _of_small(
    made: small_weights.SmallWeights,
    found: normal_form.Normal,
    cost: loss.Loss | None = None,
) -> Prepared:
    return Prepared(
        small_weights.contents(made),
        functools.partial(
            _report,
            [*small_weights.report(made), *_lost(made.model), *_noted(found)],
        ),
        cost,
    )


def read(given: givens.Given, number_format: str, *, unpack: bool = False) -> bytes:
    """The bytes of a `.tflite`, or of what a graph becomes.

    Args:
        given: a file, a graph, or the folder of a run.
        number_format: of a run's export.
        unpack: whether weights of a graph of fewer than 8 bits are to have 8.

    Raises:
        PipelineError: the network is float, or cannot be read.
    """
    given.require_integers(number_format)
    file = pathlib.Path(given.model)
    model_source.require_no_saved_model(file)
    if file.is_dir():
        file = run_folder.RunFolder(file).export_file(number_format)
    if file.suffix == ".json":
        g = model_source.load(given.model).graph
        return from_graph.to_bytes(weight_widths.unpacked(g) if unpack else g)
    data = content.read(file)
    if not unpack and _is_float(data):
        raise errors.UsageError(givens.needs_calibration(given.model, number_format))
    return data


def _is_float(data: bytes) -> bool:
    """Whether a file is a network of reals only."""
    program = tflite_file.parse(data)
    types = {tensor.dtype for tensor in program.tensors}
    return "float32" in types and types.isdisjoint({"int8", "int16", "uint8", "int4"})


def _report(lines: list[str], output: pathlib.Path | None) -> list[str]:
    return lines if output is None else [*lines, f"written    {output}"]


def _lines(verification: verify.Verification) -> list[str]:
    arena = verification.arena
    smallest = "smallest" if arena.is_smallest else "not proven the smallest"
    return [
        f"model      {verification.model_bytes} bytes, "
        f"{len(verification.operators)} operators, full integer",
        *(f"{role:<10} {_port(port)}" for role, port in verification.ends),
        f"arena      {arena.arena_bytes} bytes on this 64-bit machine ({smallest})",
        *_agreement(verification),
    ]


def _lost(data: bytes) -> list[str]:
    notes = lost_weights.notes_of_file(tflite_file.parse(data))
    return [f"note       {note}" for note in notes]


def _port(port: verify.Port) -> str:
    described = f"{port.dtype} {port.shape}, "
    if port.scale is None:
        return f"{described}a position"
    return f"{described}scale {port.scale:g}, zero point {port.zero_point}"


def _agreement(verification: verify.Verification) -> list[str]:
    lines = []
    if compared := verification.operator_agreement:
        results = sum(row.elements for row in compared)
        inexact = sum(row.differing for row in compared)
        lines.append(
            f"agreement  TFLite's reference equals TFLite Micro in "
            f"{results - inexact} of {results} results, "
            f"at most {max(row.max_lsb for row in compared)} LSB apart"
        )
    if verification.simulated_images is not None:
        lines.append(
            f"simulated  {verification.simulated_images} images equal to the last bit, "
            "as kernels of 4 bits and layers that keep a state need"
        )
    return lines


INT8 = Target(
    name="int8",
    title="a .tflite for TensorFlow Lite Micro, verified",
    takes="a .tflite file or a graph.json, or a float network with --calibration",
    flags=Int8Flags(),
    prepare=prepare_int8,
    needs_output=False,
)
INT16X8 = Target(
    name="int16x8",
    title="the same with 16-bit activations",
    takes="a .tflite file or a graph.json, or a float network with --calibration",
    flags=Int16x8Flags(),
    prepare=prepare_int16x8,
    needs_output=False,
)
