"""A front end that is written as C, and the text of its files.

    NAME.c, NAME.h   the front end: no floats, no memory but the caller's
    NAME_test.c      known answers, by clip and by hop
    NAME.json        the parameters, read back by `read`

They are the same, byte for byte, for the same front end, name and network.
"""

import dataclasses
import json
import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from export.audio import kernels
from export.c import arithmetic, literals
from tfpipeline import errors
from tfpipeline.audio import front_end, integer_features, integer_tables
from tfpipeline.ir import graph
from tfpipeline.untrusted import content, json_values

# Of the generator whose clip the known answers are of: glibc's rand() of old.
_MULTIPLIER, _INCREMENT = 1_103_515_245, 12_345

# How a frame's features come from its logarithms.
_VALUES = {"log_mel": kernels.LOGARITHM, "mfcc": kernels.MFCC}


@dataclasses.dataclass(frozen=True)
class Program:
    """What is written.

    Attributes:
        given: the front end.
        name: of files and functions in C.
        quant: of the network's input, one scale and zero point for all; None for
            features of 32 bits in Q16.
        dtype: "int8" or "int16", of the network's input; "int32" without `quant`.
    """

    given: front_end.FrontEnd
    name: str
    quant: graph.QuantParams | None
    dtype: str

    @property
    def scaling(self) -> integer_features.Scaling | None:
        """From features in Q16 to the network's input; None if they stay."""
        if self.quant is None:
            return None
        return integer_features.scaling(
            self.quant.scale[0], self.quant.zero_point[0], self.dtype
        )

    @property
    def lead_hops(self) -> int:
        """Hops until the first window is full."""
        return -(-self.given.window_samples // self.given.hop_samples)

    def features(self, samples: npt.NDArray[np.int16]) -> graph.Array:
        """What the C computes of clips, `[..., frames, features, 1]`."""
        features = integer_features.features(self.given, samples)
        by = self.scaling
        return features if by is None else integer_features.quantized(features, by)


def prepare(
    given: front_end.FrontEnd, name: str, tensor: graph.Tensor | None = None
) -> Program:
    """Checks that a front end goes together with a network.

    Args:
        given: the front end.
        name: of files and functions, spelled in lower case with underscores.
        tensor: the network's input; None for features of 32 bits in Q16.

    Raises:
        ExportError: the input is of another shape, or not int8 or int16 with a scale.
    """
    if tensor is None:
        return Program(given, literals.identifier(name), None, "int32")
    if tensor.num_elements != given.num_frames * given.num_features:
        raise errors.ExportError(
            f"the network's input has the shape {tensor.shape}, and the front end "
            f"{given.name} gives {given.output_shape}"
        )
    if tensor.dtype not in ("int8", "int16") or tensor.quant is None:
        raise errors.ExportError(
            "a front end writes inputs of int8 or int16 with a scale; the network's is "
            f"{tensor.dtype}"
        )
    program = Program(given, literals.identifier(name), tensor.quant, tensor.dtype)
    try:
        _ = program.scaling
    except errors.UsageError as error:
        raise errors.ExportError(str(error)) from error
    return program


def contents(program: Program) -> dict[str, str]:
    """All files by name."""
    return {
        f"{program.name}.h": header(program),
        f"{program.name}.c": source(program),
        f"{program.name}_test.c": test(program),
        f"{program.name}.json": description(program),
    }


def description(program: Program) -> str:
    """The text of NAME.json."""
    values: dict[str, object] = {"front_end": program.given.to_json()}
    values |= {"output": program.dtype, "shape": list(program.given.output_shape)}
    if program.quant is not None:
        values["scale"] = program.quant.scale[0]
        values["zero_point"] = program.quant.zero_point[0]
    return json.dumps(values, indent=2) + "\n"


def read(path: str | os.PathLike[str]) -> front_end.FrontEnd:
    """The front end of a NAME.json.

    Raises:
        StorageError: the file cannot be read.
        DamagedFileError: it describes no front end.
    """
    what = os.fspath(path)
    values = json_values.parse(content.read_text(path), what)
    inner = values.get("front_end") if isinstance(values, Mapping) else None
    return front_end.from_json(inner if isinstance(inner, Mapping) else {}, what)


def header(program: Program) -> str:
    """The text of NAME.h: functions, sizes, scale."""
    given = program.given
    real = (
        f"integer / {2**integer_tables.FEATURE_BITS}"
        if program.quant is None
        else "SCALE * (integer - ZERO_POINT)"
    )
    return literals.filled(
        kernels.HEADER,
        **_names(program),
        described=literals.comment(_described(given)).strip(),
        real=real,
        quant=_quant(program),
        sizes="".join(
            f"#define {program.name.upper()}_{name} {size}\n"
            for name, size in {
                "SAMPLE_RATE": given.sample_rate,
                "CLIP_SAMPLES": given.clip_samples,
                "WINDOW_SAMPLES": given.window_samples,
                "HOP_SAMPLES": given.hop_samples,
                "FRAMES": given.num_frames,
                "FEATURES": given.num_features,
                "LEAD_HOPS": program.lead_hops,
                "MEL_BINS": given.mel_bins,
                "SPECTRUM_BINS": given.fft_length // 2 + 1,
            }.items()
        ),
    )


def _described(given: front_end.FrontEnd) -> str:
    kinds = {"log_mel": "Logarithms", "mfcc": f"{given.coefficients} MFCC"}
    return (
        f"{kinds[given.kind]} of {given.mel_bins} mel bands, {given.low_hertz:g} to "
        f"{given.high_hertz:g} Hz, of {given.clip_seconds:g} s at "
        f"{given.sample_rate:,} Hz in frames of {given.window_ms:g} ms every "
        f"{given.stride_ms:g} ms."
    )


def _quant(program: Program) -> str:
    if program.quant is None:
        return ""
    upper = program.name.upper()
    return (
        f"#define {upper}_SCALE {literals.real(program.quant.scale[0])}\n"
        f"#define {upper}_ZERO_POINT ({program.quant.zero_point[0]})\n"
    )


def source(program: Program) -> str:
    """The text of NAME.c: tables and functions."""
    tables = integer_tables.of(program.given)
    parts = [
        literals.filled(kernels.BEGIN, **_names(program)),
        _constants(program, tables),
        arithmetic.FRAGMENTS["right_shifts"].text,
        *_arrays(program, tables),
        literals.filled(kernels.SPECTRUM, **_names(program)),
        kernels.STAGE_OF_TWO if 2 in tables.radices else "",
        literals.filled(
            kernels.TRANSFORM,
            **_names(program),
            innermost=kernels.CALL_OF_TWO if 2 in tables.radices else "",
            begin="2" if 2 in tables.radices else "1",
        ),
        literals.filled(kernels.LOG_MEL, **_names(program)),
        literals.filled(
            kernels.FRAME,
            **_names(program),
            values=literals.filled(_VALUES[program.given.kind], **_names(program)),
            written=literals.filled(
                kernels.KEPT if program.quant is None else kernels.QUANTIZED,
                **_names(program),
            ),
        ),
        literals.filled(kernels.STREAM, **_names(program)),
    ]
    return "\n".join(part for part in parts if part)


def test(program: Program) -> str:
    """The text of NAME_test.c."""
    answers = program.features(known_clip(program.given)).ravel().tolist()
    return literals.filled(
        kernels.TEST,
        **_names(program),
        multiplier=str(_MULTIPLIER),
        increment=str(_INCREMENT),
        answers=literals.array(f"{program.dtype}_t", "answers", answers),
    )


def known_clip(given: front_end.FrontEnd) -> npt.NDArray[np.int16]:
    """The clip of the known answers: noise that grows louder, without tables."""
    state, samples = 1, []
    for i in range(given.clip_samples):
        state = (state * _MULTIPLIER + _INCREMENT) % 2**32
        samples.append((state >> 16) - 2**15 >> 15 - i % 4096 // 256)
    return np.array(samples, np.int16)


def _names(program: Program) -> dict[str, str]:
    return {
        "name": program.name,
        "upper": program.name.upper(),
        "type": f"{program.dtype}_t",
    }


def _constants(program: Program, tables: integer_tables.Tables) -> str:
    """Of the formats, as an enumeration."""
    constants = {
        "FFT_LENGTH": program.given.fft_length,
        "HALF": program.given.fft_length // 2,
        "WINDOW_SHIFT": integer_tables.WINDOW_SHIFT,
        "FFT_BITS": integer_tables.FFT_BITS,
        "FIRST_BIN": int(tables.span_starts[0]),
        "WEIGHT_BITS": integer_tables.WEIGHT_BITS,
        "LOG_OFFSET": tables.log_offset,
        "LOG_BITS": integer_tables.LOG_BITS,
        "LOG_SEGMENT_BITS": integer_tables.LOG_SEGMENT_BITS,
        "LOG_OF_2": integer_tables.LOG_OF_2,
        "LOG_OF_ONE": tables.log_of_one,
    }
    by = program.scaling
    if program.given.kind == "mfcc":
        constants["COSINE_BITS"] = tables.cosine_bits
    if by is not None:
        limits = np.iinfo(by.dtype)
        constants |= {"MULTIPLIER": by.multiplier, "SHIFT": by.shift}
        constants |= {"ZERO_POINT": by.zero_point}
        constants |= {"LOWEST": int(limits.min), "HIGHEST": int(limits.max)}
    rows = literals.items(f"{name} = {value}" for name, value in constants.items())
    return f"/* Number formats: docs/audio.md of tfpipeline. */\nenum {{\n{rows}}};\n"


def _arrays(program: Program, tables: integer_tables.Tables) -> list[str]:
    arrays: dict[str, tuple[str, graph.Array]] = {
        "window": ("int32_t", tables.window),
        "order": ("int16_t", tables.order),
        "twiddles": ("int32_t", tables.twiddles),
        "splits": ("int32_t", tables.splits),
        "span_widths": ("int16_t", tables.span_widths),
        "falling": ("int16_t", tables.falling),
        "log_lead": ("uint16_t", tables.log_lead),
    }
    if program.given.kind == "mfcc":
        arrays["cosines"] = ("int16_t", tables.cosines)
    return [
        literals.array(ctype, name, values.ravel().tolist())
        for name, (ctype, values) in arrays.items()
    ]
