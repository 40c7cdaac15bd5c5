"""The text of the headers and of the data, as C++17."""

import hashlib
import textwrap
from collections.abc import Iterable

import numpy as np

from export.tflm import goldens, spelling
from export.tflm.bundle import Bundle
from tfpipeline.ir import tflite_file

# Source of the rule, for readers of the header.
_RULE = """\
Head: activations and scratch memory of the reference kernels, planned as the
interpreter plans them; the same on every machine. Tail: the interpreter's own
allocations, repeated one by one with the sizes that its structures have on the
machine (32 bit: Arm EABI, 4-byte pointers, short enums), at revision 90b983c2b3f1
of tflite-micro. There it equals arena_used_bytes() to the byte. Another revision
may differ by some 10 bytes an operator; optimized kernels (CMSIS-NN) ask for
scratch memory on top."""


def model_data(bundle: Bundle) -> dict[str, str]:
    """model_data.h and model_data.cc: the file as bytes of the flash."""
    size = len(bundle.model)
    header = f"""\
// The network as a TensorFlow Lite file.
constexpr std::size_t kModelBytes = {size};
extern const unsigned char kModel[kModelBytes];
"""
    digest = hashlib.sha256(bundle.model).hexdigest()
    source = f"""\
// SHA-256 {digest}.
// 16 bytes: the interpreter reads weights in place.
alignas(16) const unsigned char kModel[kModelBytes] = {{
{spelling.data(bundle.model)}}};
"""
    return {
        "model_data.h": _header(bundle, "MODEL_DATA", ["<cstddef>"], header),
        "model_data.cc": _source(bundle, "model_data.h", source),
    }


def model_ops(bundle: Bundle) -> str:
    """model_ops.h: the resolver with these operators and no others."""
    count = len(bundle.methods)
    calls = "".join(
        f"  TF_LITE_ENSURE_STATUS(resolver.{method}());\n" for method in bundle.methods
    )
    body = f"""\
using OpResolver = tflite::MicroMutableOpResolver<{count}>;

// Registers the network's {count} operators: the kernels of the library that is linked,
// be they the reference or optimized ones.
inline TfLiteStatus RegisterOps(OpResolver& resolver) {{
{calls}  return kTfLiteOk;
}}
"""
    include = '"tensorflow/lite/micro/micro_mutable_op_resolver.h"'
    return _header(bundle, "MODEL_OPS", [include], body)


def model_arena(bundle: Bundle) -> str:
    """model_arena.h: what to reserve, why, and what the plans need."""
    plan = bundle.plan
    chosen = (
        "The file brings our plan along."
        if bundle.is_planned
        else "The interpreter plans by itself."
    )
    body = f"""\
{_comment(_RULE)}

// 32-bit Arm: by the rule above.
constexpr std::size_t kArenaBytes32 = {bundle.arm.arena_bytes};
constexpr std::size_t kArenaUsedBytes32 = {bundle.arm.used_bytes};

// 64-bit machine with the reference kernels: by the rule above.
constexpr std::size_t kArenaBytes64 = {bundle.host.arena_bytes};
constexpr std::size_t kArenaUsedBytes64 = {bundle.host.used_bytes};

// Measured on a 64-bit machine: the smallest arena in which the interpreter of the
// Python package tflite-micro, which records allocations, runs the network.
constexpr std::size_t kArenaBytesMeasured = {bundle.measured_bytes};
constexpr std::size_t kHeadBytesMeasured = {bundle.measured.head_bytes};
constexpr std::size_t kTailBytesMeasured = {bundle.measured.tail_bytes};

// What to reserve: aligned to 16 bytes, with the reference kernels.
constexpr std::size_t kArenaBytes =
    sizeof(void*) == 4 ? kArenaBytes32 : kArenaBytes64;

// The head by both plans, scratch memory of the reference kernels included.
// {chosen}
constexpr std::size_t kHeadBytesGreedyPlan = {plan.greedy_bytes};
constexpr std::size_t kHeadBytesOurPlan = {plan.head_bytes};
constexpr bool kFileBringsOurPlan = {"true" if bundle.is_planned else "false"};
"""
    return _header(bundle, "MODEL_ARENA", ["<cstddef>"], body)


def model_io(bundle: Bundle) -> str:
    """model_io.h: types, shapes and scales of the border, and labels."""
    borders = {**bundle.inputs, **bundle.outputs}
    body = "// real = kScale * (integer - kZeroPoint); a position has no scale\n\n"
    body += f"constexpr int kNumInputs = {len(bundle.inputs)};\n"
    body += f"constexpr int kNumOutputs = {len(bundle.outputs)};\n\n"
    body += "\n".join(_border(role, tensor) for role, tensor in borders.items())
    body += f"\nconstexpr int kNumLabels = {len(bundle.labels)};\n"
    if bundle.labels:
        lines = "".join(f"    {spelling.string(each)},\n" for each in bundle.labels)
        body += f"constexpr const char* kLabels[kNumLabels] = {{\n{lines}}};\n"
    return _header(bundle, "MODEL_IO", ["<cstdint>"], body)


def model_golden(bundle: Bundle) -> dict[str, str]:
    """model_golden.h and .cc: inputs, and the interpreter's outputs for them."""
    ends = {**bundle.inputs, **bundle.outputs}
    members = "".join(
        f"  const {end}Type* {end.lower()};  // k{end}Elements of them.\n"
        for end in ends
    )
    header = f"""\
// Known answers of TensorFlow Lite Micro's interpreter with its reference kernels.
struct Golden {{
  const char* name;
{members}}};

constexpr int kNumGoldens = {len(bundle.cases)};
extern const Golden kGoldens[kNumGoldens];
"""
    arrays = "\n".join(
        _case(number, bundle, case) for number, case in enumerate(bundle.cases)
    )
    fields = [
        ", ".join([spelling.string(case.name), *_names(ends, number)])
        for number, case in enumerate(bundle.cases)
    ]
    entries = "".join(f"    {{{each}}},\n" for each in fields)
    source = f"""\
namespace {{

{arrays}
}}  // namespace

const Golden kGoldens[kNumGoldens] = {{
{entries}}};
"""
    return {
        "model_golden.h": _header(bundle, "MODEL_GOLDEN", ['"model_io.h"'], header),
        "model_golden.cc": _source(bundle, "model_golden.h", source),
    }


def _names(ends: Iterable[str], number: int) -> list[str]:
    """Of the arrays of a case: `kInput0`, or `kInput1Of0` of the second of several."""
    return [
        f"k{end}Of{number}" if end[-1].isdigit() else f"k{end}{number}" for end in ends
    ]


def _case(number: int, bundle: Bundle, case: goldens.Case) -> str:
    ends = [*bundle.inputs, *bundle.outputs]
    arrays = [*case.inputs, *case.outputs]
    return "".join(
        f"const {end}Type {name}[k{end}Elements] = {{\n{spelling.array(values)}}};\n"
        for end, name, values in zip(ends, _names(ends, number), arrays, strict=True)
    )


def _border(role: str, tensor: tflite_file.FileTensor) -> str:
    shape = ", ".join(map(str, tensor.shape))
    return f"""\
using {role}Type = std::{tensor.dtype}_t;
constexpr const char* k{role}Name = {spelling.string(tensor.name)};
constexpr int k{role}Rank = {len(tensor.shape)};
constexpr int k{role}Shape[k{role}Rank] = {{{shape}}};
constexpr int k{role}Elements = {int(np.prod(tensor.shape))};
{_scale(role, tensor)}"""


def _scale(role: str, tensor: tflite_file.FileTensor) -> str:
    """What the integers mean; a position has no scale."""
    if not tensor.scales:
        return ""
    return f"""\
constexpr float k{role}Scale = {spelling.real(tensor.scales[0])};
constexpr int k{role}ZeroPoint = {tensor.zero_points[0]};
"""


def _header(bundle: Bundle, file: str, includes: list[str], body: str) -> str:
    guard = f"{bundle.name.upper()}_{file}_H_"
    lines = "".join(f"#include {each}\n" for each in includes)
    return (
        f"#ifndef {guard}\n#define {guard}\n\n{lines}\n"
        f"{_namespace(bundle, body)}\n#endif  // {guard}\n"
    )


def _source(bundle: Bundle, header: str, body: str) -> str:
    return f'#include "{header}"\n\n{_namespace(bundle, body)}'


def _namespace(bundle: Bundle, body: str) -> str:
    name = bundle.name
    return f"namespace {name} {{\n\n{body}\n}}  // namespace {name}\n"


def _comment(text: str) -> str:
    return textwrap.indent(text, "// ")
