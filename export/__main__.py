"""Writes a network in the format of a target's own tools, and verifies it.

python -m export --model=NETWORK.tflite --targets=int8 --output=FOLDER
python -m export --model=RUN_OR_FLOAT_FILE --targets=gap8 --calibration=FOLDER \
    --output=FOLDER
python -m export --model=RUN_OR_GRAPH --targets=max78000 --output=FOLDER
python -m export --model=NETWORK.tflite --targets=c --output=FOLDER --emulate=cortex-m4
python -m export --model=RUN_OR_FILE --targets=tflm --output=FOLDER --labels=FILE
"""

import pathlib
from collections.abc import Callable, Sequence

from absl import flags

from export.c import emulation
from export.c import files as c_files
from export.gap8 import calibration
from export.gap8 import command as gap8_command
from export.max78000 import files, network, sample
from export.tflite import (
    from_graph,
    offline_plan,
    small_weights,
    verify,
    weight_widths,
)
from export.tflm import command as tflm_command
from tfpipeline import entry, errors, marked_folder, model_source, run_folder
from tfpipeline.targets.max78000 import policy

_MODEL = flags.DEFINE_string(
    "model",
    None,
    "The folder of a run; or a .tflite file for int8, int16x8, tflm and c, a "
    "graph.json for int8, int16x8, c and max78000, and a Keras file for max78000. For "
    "gap8 a float network in any of these, or a program.npz.",
)
_TARGETS = flags.DEFINE_list(
    "targets",
    ["int8"],
    "What to export for, of: int8 and int16x8 (TensorFlow Lite Micro), tflm (the same "
    "as sources, with known answers), max78000, gap8 (AutoTiler, NNTool), c (portable "
    "C99 without a runtime).",
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder that gets the files; of several targets, each gets a folder in it. "
    "Optional for int8 and int16x8, which are verified in any case.",
)
_OFFLINE_PLAN = flags.DEFINE_bool(
    "offline_plan",
    False,
    "int8, int16x8, tflm: write our plan of the arena into the file, where TensorFlow "
    "Lite Micro takes it instead of making its own.",
)
_WEIGHT_BITS = flags.DEFINE_integer(
    "weight_bits",
    None,
    "int8: 4, quantizes the weights of the network to 4 bits, as TensorFlow Lite Micro "
    "reads them; with --compress 2 to 7. max78000: width of the weights of a float "
    "network; 8. gap8: width of weights and data; 16, or 8.",
)
_CALIBRATION = flags.DEFINE_string(
    "calibration",
    None,
    "gap8: images that decide the formats of a float network: a folder of .png or "
    ".npy, or one .npy or .npz of [N, rows, columns, channels].",
)
_PIXELS = flags.DEFINE_enum(
    "pixels",
    calibration.SIGNED,
    calibration.PIXELS,
    "gap8: what the network takes of a .png's pixel: (pixel - 128) / 128, pixel / 256, "
    "or the pixel as it is, which then is the chip's input too.",
)
_PRECISION = flags.DEFINE_enum(
    "precision",
    "double",
    tuple(gap8_command.PRECISIONS),
    "gap8: which of the library's convolutions the AutoTiler's model calls: those with "
    "32-bit sums, as NNTool, or those of 2019.",
)
_FLOAT_MODEL = flags.DEFINE_string(
    "float_model",
    None,
    "int8 with --weight_bits: the float network that --model was quantized from, for "
    "its weights; those of 8 bits are rounded a second time.",
)
_COMPRESS = flags.DEFINE_bool(
    "compress",
    False,
    "int8: store weights of few different values as indices into tables, which "
    "TensorFlow Lite Micro decodes.",
)
_EMULATE = flags.DEFINE_list(
    "emulate",
    [],
    "c: run it in QEMU on these cores, of cortex-m3, cortex-m4 and cortex-m7, and "
    "count the instructions of each layer.",
)
_SAMPLE = flags.DEFINE_string(
    "sample",
    None,
    "The input whose answer is recorded: a .npy; for max78000 a .png as well.",
)
_LABELS = flags.DEFINE_string(
    "labels", None, "tflm: a text file with the name of each output, one a line."
)


def main(argv: Sequence[str]) -> None:
    """Exports the network of --model and reports in a few lines."""
    del argv  # entry.run refuses any.
    for target in _TARGETS.value:
        if target not in TARGETS:
            raise errors.UsageError(
                f"unknown target '{target}' in --targets: choose of "
                f"{', '.join(TARGETS)}"
            )
    if not _MODEL.value:
        raise errors.UsageError("say what to export: --model=NETWORK.tflite")
    outputs = _outputs()
    for folder in outputs.values():
        if folder is not None:
            marked_folder.require(folder)
    for target, folder in outputs.items():
        for line in TARGETS[target](_MODEL.value, folder):
            print(line)


def _outputs() -> dict[str, pathlib.Path | None]:
    """Target -> folder that gets its files."""
    if _OUTPUT.value is None:
        return dict.fromkeys(_TARGETS.value)
    root = pathlib.Path(_OUTPUT.value)
    if len(_TARGETS.value) == 1:
        return {_TARGETS.value[0]: root}
    if run_folder.is_run(run_folder.RunFolder(root)):
        raise errors.UsageError(
            f"{root} is the folder of a run: choose another --output=FOLDER"
        )
    return {target: root / target for target in _TARGETS.value}


def _max78000(model: str, output: pathlib.Path | None) -> list[str]:
    """Writes what the vendor's synthesis tool takes."""
    source = _source(model, output)
    g, bits = source.graph, _WEIGHT_BITS.value or source.weight_bits
    image = None
    if _SAMPLE.value is not None:
        image = sample.read(_SAMPLE.value, g.tensors[g.inputs[0]].shape[1:])
    weights = None if bits is None else policy.Policy(weight_bits=bits)
    found = network.prepare(g, image, weights=weights)
    files.write(output, found, g.name)
    result = found.cost
    return [
        f"model      {len(found.lowered.steps)} layers, "
        f"{result.weight_bytes:,} bytes of weights, {result.bias_bytes:,} of biases",
        f"latency    {result.latency_cycles['ai8x']:,.0f} cycles, "
        f"{1e3 * result.latency_seconds('ai8x'):.3f} ms by the vendor's model",
        *(f"note       {note}" for note in found.notes),
        f"written    {output}; {files.README_FILE} has the vendor's command",
    ]


def _c(model: str, output: pathlib.Path | None) -> list[str]:
    """Writes C that computes the network, and a program that tests it."""
    emulation.require(_EMULATE.value)
    g = _source(model, output).graph
    written = c_files.write(output, g, g.name)
    lines = [
        f"model      {len(g.layers)} layers as C99, no runtime",
        f"arena      {written.plan.peak_bytes:,} bytes, static",
        f"written    {output}; compile all of it and run it, for the test",
    ]
    for core in _EMULATE.value:
        ran = emulation.run(output, written, core)
        lines += emulation.to_text(written, ran)
        if ran.exit_code:
            raise errors.VerificationError("\n".join(lines))
    return lines


def _tflm(model: str, output: pathlib.Path | None) -> list[str]:
    """Writes a TFLite network as sources for a project with TensorFlow Lite Micro."""
    return tflm_command.run(
        model,
        output,
        with_plan=_OFFLINE_PLAN.value,
        sample=_SAMPLE.value,
        labels=_LABELS.value,
    )


def _source(model: str, output: pathlib.Path | None) -> model_source.Source:
    """The network, with weights."""
    if output is None:
        raise errors.UsageError("say where the files go: --output=FOLDER")
    if model in model_source.names():
        raise errors.UsageError(
            f"'{model}' is a network without weights; give the folder of a run, or a "
            "file"
        )
    return model_source.load(model)


def _int8(model: str, output: pathlib.Path | None) -> list[str]:
    """Verifies a TFLite network, and writes it where that is asked."""
    data = _read(model)
    if _COMPRESS.value or _FLOAT_MODEL.value or _WEIGHT_BITS.value not in (None, 8):
        return _small_weights(data, pathlib.Path(model).stem, output)
    if _OFFLINE_PLAN.value:
        data = offline_plan.with_plan(data)
    return _verified(data, "int8", output)


def _int16x8(model: str, output: pathlib.Path | None) -> list[str]:
    """As `_int8`, for 16-bit activations beside 8-bit weights."""
    data = _read(model, "int16x8")
    if _OFFLINE_PLAN.value:
        data = offline_plan.with_plan(data)
    return _verified(data, "int16", output)


def _verified(data: bytes, dtype: str, output: pathlib.Path | None) -> list[str]:
    verification = verify.inspect(data, types=[dtype])
    if output is not None:
        verify.write(output, data, verification)
    lines = _report(verification)
    return lines if output is None else [*lines, f"written    {output}"]


def _small_weights(data: bytes, name: str, output: pathlib.Path | None) -> list[str]:
    """Narrows or compresses the weights of a TFLite network, and verifies it."""
    if _OFFLINE_PLAN.value:
        raise errors.UsageError(
            "--offline_plan does not go with --weight_bits and --compress: the plan is "
            "of the tensors of the file as it is"
        )
    bits = None if _WEIGHT_BITS.value == 8 else _WEIGHT_BITS.value
    float_graph = None
    if _FLOAT_MODEL.value is not None:
        if bits is None:
            raise errors.UsageError("--float_model needs --weight_bits")
        float_graph = model_source.load(_FLOAT_MODEL.value).graph
    made = small_weights.make(
        data,
        weight_bits=bits,
        compress=_COMPRESS.value,
        float_graph=float_graph,
        name=name,
    )
    lines = small_weights.report(made)
    if output is None:
        return lines
    small_weights.write(output, made)
    return [*lines, f"written    {output}"]


def _read(path: str, number_format: str = "int8") -> bytes:
    file = pathlib.Path(path)
    if file.is_dir():
        file = run_folder.RunFolder(file).export_file(number_format)
    if file.suffix == ".json":
        g = model_source.load(path).graph
        return from_graph.to_bytes(weight_widths.unpacked(g) if _COMPRESS.value else g)
    try:
        return file.read_bytes()
    except OSError as error:
        raise errors.ExportError(
            f"cannot read {file}: {error.strerror or error}"
        ) from error


def _report(verification: verify.Verification) -> list[str]:
    arena = verification.arena
    smallest = "smallest" if arena.is_smallest else "not proven the smallest"
    return [
        f"model      {verification.model_bytes} bytes, "
        f"{len(verification.operators)} operators, full integer",
        f"input      {verification.input.dtype} {verification.input.shape}, "
        f"scale {verification.input.scale:g}, "
        f"zero point {verification.input.zero_point}",
        f"output     {verification.output.dtype} {verification.output.shape}, "
        f"scale {verification.output.scale:g}, "
        f"zero point {verification.output.zero_point}",
        f"arena      {arena.arena_bytes} bytes on this 64-bit machine ({smallest})",
        *_agreement(verification),
    ]


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
            "as kernels of 4 bits need"
        )
    return lines


def _gap8(model: str, output: pathlib.Path | None) -> list[str]:
    """Writes what the AutoTiler and NNTool take, and C for a PC."""
    return gap8_command.run(
        model,
        output,
        images=_CALIBRATION.value,
        weight_bits=_WEIGHT_BITS.value,
        precision=_PRECISION.value,
        pixels=_PIXELS.value,
    )


TARGETS: dict[str, Callable[[str, pathlib.Path | None], list[str]]] = {
    "int8": _int8,
    "int16x8": _int16x8,
    "tflm": _tflm,
    "max78000": _max78000,
    "gap8": _gap8,
    "c": _c,
}

if __name__ == "__main__":
    entry.run(main, "export")
