"""The folder `harness` of a bundle: what calls the interpreter, and how it is built."""

import hashlib
import string

import numpy as np

from export.harness import building, firmware_files
from export.tflm.bundle import Bundle
from tfpipeline import errors
from tfpipeline.ir import fingerprint, from_tflite, graph, tflite_file

# What CMakeLists.txt compiles into the firmware, board and network excepted.
_SOURCES = ("main.c", "frame.c", "tensors.c", "clock.c", "text.c", "harness.cc")

_HARNESS = string.Template("""\
// The network $name for the harness: generated.

#include "harness.h"

#include <cstring>

#include "../model_arena.h"
#include "../model_data.h"
#include "../model_io.h"
#include "../model_ops.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef ARENA_BYTES
#define ARENA_BYTES $name::kArenaBytes
#endif

namespace {

namespace bundle = $name;

alignas(16) unsigned char arena[ARENA_BYTES];
tflite::MicroInterpreter* interpreter = nullptr;

$arrays
}  // namespace

$tables
int harness_begin(void) {
  tflite::InitializeTarget();
  static bundle::OpResolver resolver;
  if (bundle::RegisterOps(resolver) != kTfLiteOk) {
    return 1;
  }
  static tflite::MicroInterpreter made(tflite::GetModel(bundle::kModel), resolver,
                                       arena, sizeof(arena));
  // The arena is too small for these kernels: define ARENA_BYTES.
  if (made.AllocateTensors() != kTfLiteOk) {
    return 2;
  }
  if ($differ) {
    return 3;
  }
  interpreter = &made;
  return 0;
}

int harness_run(void) {
  if (interpreter == nullptr$reset) {
    return 1;
  }
$given  if (interpreter->Invoke() != kTfLiteOk) {
    return 2;
  }
$taken  return 0;
}
""")

CMAKE = f"""\

# The firmware that speaks over a serial line: harness/README.md.
set(HARNESS_BOARD "" CACHE FILEPATH "a file like those of harness/boards")
set(harness "${{CMAKE_CURRENT_SOURCE_DIR}}/harness")
if(NOT HARNESS_BOARD AND MPS2_DIR)
  set(HARNESS_BOARD "${{harness}}/boards/mps2.c")
elseif(NOT HARNESS_BOARD)
  set(HARNESS_BOARD "${{harness}}/boards/pc.c")
endif()
set(harness_sources {" ".join(_SOURCES)})
list(TRANSFORM harness_sources PREPEND "${{harness}}/")
add_executable(harness EXCLUDE_FROM_ALL ${{harness_sources}} "${{HARNESS_BOARD}}"
  model_data.cc)
target_compile_options(harness PRIVATE -Wall -Wextra)
target_link_options(harness PRIVATE -Wl,--gc-sections)
target_link_libraries(harness PRIVATE tflm tflm_options m)
if(MPS2_DIR)
  target_sources(harness PRIVATE "${{MPS2_DIR}}/startup.cc")
  target_compile_definitions(harness PRIVATE HARNESS_OWN_STARTUP
    HARNESS_CORE="Cortex-M7")
endif()
if(ARENA_BYTES)
  target_compile_definitions(harness PRIVATE ARENA_BYTES=${{ARENA_BYTES}})
endif()
"""

_README = string.Template("""\
# `$name` on a board, over a serial line

The firmware reads inputs and sends answers, to `tfpipeline run`: docs/boards.md of
tfpipeline goes from here to the first answer. It takes $memory bytes of memory beside
the arena, for an input and an output. With `TFLM_DIR` as the README.md above says, in
that folder:

    cmake -S . -B build -DTFLM_DIR=/path/to/tree
    cmake --build build --target harness --parallel
    tfpipeline run --model=. --port=exec:build/harness

builds it for this machine, and with `-DCMAKE_TOOLCHAIN_FILE=mps2/toolchain.cmake` for
QEMU's Cortex-M7.

$boards""")


def contents(bundle: Bundle) -> dict[str, str]:
    """All files of the folder by their place in the bundle."""
    described = _described(bundle)
    memory = firmware_files.num_bytes((*described.inputs, *described.outputs))
    files = {
        "harness.cc": _source(bundle, described),
        "README.md": _README.substitute(
            name=bundle.name,
            memory=f"{memory:,}",
            boards=building.about_boards("harness.cc", "`../model_data.cc`"),
        ),
    }
    return {
        **firmware_files.contents(described),
        **{f"{firmware_files.FOLDER}/{name}": text for name, text in files.items()},
    }


def _described(bundle: Bundle) -> firmware_files.Described:
    name = bundle.name.removeprefix("model_")
    try:
        g = from_tflite.read(bundle.model, name=name)
    except errors.GraphError:
        # What the interpreter runs and we do not: `run` says so.
        return firmware_files.Described(
            name,
            "tflm",
            hashlib.sha256(bundle.model).digest()[: fingerprint.SIZE],
            tuple(map(_tensor, bundle.inputs.values())),
            tuple(map(_tensor, bundle.outputs.values())),
            False,
        )
    return firmware_files.described(g, name, "tflm", bundle.metadata)


def _tensor(tensor: tflite_file.FileTensor) -> graph.Tensor:
    quant = None
    if tensor.scales:
        num_bits = 8 * np.dtype(tensor.dtype).itemsize
        scale, zero = tensor.scales[:1], tensor.zero_points[:1]
        quant = graph.QuantParams(scale, zero, num_bits)
    return graph.Tensor(tensor.name, tensor.shape, tensor.dtype, quant)


def _source(bundle: Bundle, described: firmware_files.Described) -> str:
    inputs, outputs = list(bundle.inputs), list(bundle.outputs)
    is_stateful = any(tensor.is_variable for tensor in bundle.program.tensors)
    return _HARNESS.substitute(
        name=bundle.name,
        arrays="".join(
            f"bundle::{end}Type {end.lower()}[bundle::k{end}Elements];\n"
            for end in (*inputs, *outputs)
        ),
        tables=firmware_files.tables(
            described,
            [end.lower() for end in inputs],
            [end.lower() for end in outputs],
        ),
        differ=" ||\n      ".join(
            f"made.{role}({i})->bytes != sizeof({end.lower()})"
            for role, ends in (("input", inputs), ("output", outputs))
            for i, end in enumerate(ends)
        ),
        reset=" || interpreter->Reset() != kTfLiteOk" if is_stateful else "",
        given="".join(
            f"  std::memcpy(interpreter->input({i})->data.data, {end.lower()},\n"
            f"              sizeof({end.lower()}));\n"
            for i, end in enumerate(inputs)
        ),
        taken="".join(
            f"  std::memcpy({end.lower()}, interpreter->output({i})->data.data,\n"
            f"              sizeof({end.lower()}));\n"
            for i, end in enumerate(outputs)
        ),
    )
