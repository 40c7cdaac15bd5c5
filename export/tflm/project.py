"""The program that checks the bundle on a machine, how it is built, and the README."""

import string

from export.tflm.bundle import Bundle
from tfpipeline.metadata import words

_MAIN = string.Template("""\
// Runs the network on inputs whose outputs are known and compares all of them.
// Prints a line a case, then PASS or FAIL; the exit code is 0 if all passed.

#include <cstdio>
#include <cstring>

#include "model_arena.h"
#include "model_data.h"
#include "model_golden.h"
#include "model_io.h"
#include "model_ops.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/system_setup.h"
#include "tensorflow/lite/schema/schema_generated.h"

#ifndef ARENA_BYTES
#define ARENA_BYTES $name::kArenaBytes
#endif

namespace {

namespace bundle = $name;

alignas(16) unsigned char arena[ARENA_BYTES];

// How many outputs differ from the golden ones; -1 where the network did not run.
int Differences(tflite::MicroInterpreter& interpreter, const bundle::Golden& golden) {
$given  if (interpreter.Invoke() != kTfLiteOk) {
    return -1;
  }
  int differences = 0;
$compared  return differences;
}

int Fail(const char* reason) {
  std::printf("FAIL: %s\\n", reason);
  return 1;
}

}  // namespace

int main() {
  tflite::InitializeTarget();
  static bundle::OpResolver resolver;
  if (bundle::RegisterOps(resolver) != kTfLiteOk) {
    return Fail("an operator could not be registered");
  }
  static tflite::MicroInterpreter interpreter(tflite::GetModel(bundle::kModel),
                                              resolver, arena, sizeof(arena));
  if (interpreter.AllocateTensors() != kTfLiteOk) {
    return Fail("the arena is too small for these kernels: define ARENA_BYTES");
  }
  std::printf("arena_used_bytes %lu of %lu\\n",
              static_cast<unsigned long>(interpreter.arena_used_bytes()),
              static_cast<unsigned long>(sizeof(arena)));
  if ($differ) {
    return Fail("the network has another input or output than model_io.h says");
  }
  bool passed = true;
  for (const bundle::Golden& golden : bundle::kGoldens) {
    const int differences = Differences(interpreter, golden);
    std::printf("%s: %s, %d of %d outputs differ\\n", golden.name,
                differences == 0 ? "PASS" : "FAIL", differences,
                $elements);
    passed = passed && differences == 0;
  }
  std::printf("%s\\n", passed ? "PASS" : "FAIL");
  return passed ? 0 : 1;
}
""")

CMAKE = """\
# Builds the check of the bundle with TensorFlow Lite Micro, whose sources you have:
#   cmake -S . -B build -DTFLM_DIR=/path/to/tflite-micro && cmake --build build
cmake_minimum_required(VERSION 3.16)
project(tflm_bundle C CXX)

set(TFLM_DIR "" CACHE PATH
    "a tree from create_tflm_tree.py, or a checkout after make third_party_downloads")
set(TFLM_LIBRARY "" CACHE FILEPATH
    "libtensorflow-microlite.a, if it is built already, from the sources in TFLM_DIR")
set(ARENA_BYTES "" CACHE STRING "of the arena, where model_arena.h is not to decide")

set(CMAKE_C_STANDARD 99)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

if(NOT EXISTS "${TFLM_DIR}/tensorflow/lite/micro/micro_interpreter.h")
  message(FATAL_ERROR "TFLM_DIR='${TFLM_DIR}' holds no TensorFlow Lite Micro: "
          "give its folder with -DTFLM_DIR=FOLDER; README.md says how to get one")
endif()
set(third_party "${TFLM_DIR}/third_party")
if(NOT EXISTS "${third_party}/flatbuffers/include/flatbuffers/flatbuffers.h")
  set(third_party "${TFLM_DIR}/tensorflow/lite/micro/tools/make/downloads")
endif()
if(NOT EXISTS "${third_party}/flatbuffers/include/flatbuffers/flatbuffers.h")
  message(FATAL_ERROR "${TFLM_DIR} lacks flatbuffers, gemmlowp and ruy: run there "
          "make -f tensorflow/lite/micro/tools/make/Makefile third_party_downloads")
endif()

# What the library and its users must agree on.
add_library(tflm_options INTERFACE)
target_include_directories(tflm_options SYSTEM INTERFACE
  "${TFLM_DIR}" "${third_party}/flatbuffers/include" "${third_party}/gemmlowp"
  "${third_party}/ruy" "${third_party}/kissfft")
target_compile_definitions(tflm_options INTERFACE TF_LITE_STATIC_MEMORY)
target_compile_options(tflm_options INTERFACE -ffunction-sections -fdata-sections
  $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti -fno-threadsafe-statics>)

set(micro "${TFLM_DIR}/tensorflow/lite/micro")
set(cmsis_nn OFF)
# A tree for CMSIS-NN has its kernels in place of the reference ones; a checkout has
# both, and the reference ones are taken.
if(EXISTS "${micro}/kernels/cmsis_nn/conv.cc"
   AND NOT EXISTS "${micro}/kernels/conv.cc")
  set(cmsis_nn ON)
  target_compile_definitions(tflm_options INTERFACE CMSIS_NN)
  target_include_directories(tflm_options SYSTEM INTERFACE "${third_party}/cmsis_nn"
    "${third_party}/cmsis_nn/Include" "${third_party}/cmsis/CMSIS/Core/Include")
endif()

if(TFLM_LIBRARY)
  add_library(tflm STATIC IMPORTED)
  set_target_properties(tflm PROPERTIES IMPORTED_LOCATION "${TFLM_LIBRARY}")
else()
  set(lite "${TFLM_DIR}/tensorflow/lite")
  set(mlir "${TFLM_DIR}/tensorflow/compiler/mlir/lite")
  file(GLOB sources
    "${mlir}/core/api/error_reporter.cc" "${mlir}/schema/schema_utils.cc"
    "${lite}/core/api/*.cc" "${lite}/core/c/common.cc"
    "${lite}/kernels/kernel_util.cc" "${lite}/kernels/internal/*.cc"
    "${lite}/kernels/internal/reference/*.cc"
    "${micro}/*.cc" "${micro}/arena_allocator/*.cc" "${micro}/kernels/*.cc"
    "${micro}/memory_planner/*.cc" "${micro}/tflite_bridge/*.cc")
  if(cmsis_nn)
    file(GLOB optimized "${micro}/kernels/cmsis_nn/*.cc"
      "${third_party}/cmsis_nn/Source/*/*.c")
    list(APPEND sources ${optimized})
  endif()
  # Programs and what only they use.
  list(FILTER sources EXCLUDE REGEX
    "(_test|_test_common|_benchmark|_generated_data)\\\\.cc$")
  list(FILTER sources EXCLUDE REGEX
    "/(fake_micro_context|mock_micro_graph|test_helpers|test_helper_custom_ops)\\\\.cc$")
  list(FILTER sources EXCLUDE REGEX "/kernels/(kernel_runner|testdata)")
  add_library(tensorflow-microlite STATIC ${sources})
  target_link_libraries(tensorflow-microlite PUBLIC tflm_options)
  target_compile_options(tensorflow-microlite PRIVATE -w)
  add_library(tflm ALIAS tensorflow-microlite)
endif()

add_executable(check main.cc model_data.cc model_golden.cc)
target_include_directories(check PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_options(check PRIVATE -Wall -Wextra)
target_link_options(check PRIVATE -Wl,--gc-sections)
target_link_libraries(check PRIVATE tflm tflm_options m)
# On a board of QEMU: see mps2/toolchain.cmake.
if(MPS2_DIR)
  target_sources(check PRIVATE "${MPS2_DIR}/startup.cc")
endif()
if(ARENA_BYTES)
  target_compile_definitions(check PRIVATE ARENA_BYTES=${ARENA_BYTES})
endif()

enable_testing()
add_test(NAME goldens COMMAND check)
"""

_README = string.Template("""\
# `$name` for TensorFlow Lite Micro

$described
$metadata
| file | what |
| --- | --- |
| `model.tflite` | the network |
| `model_data.cc`, `model_data.h` | the same as a constant array, aligned to 16 bytes |
| `model_ops.h` | a resolver with the $operators operators of the network |
| `model_arena.h` | bytes to reserve for the arena, and where they come from |
| `model_io.h` | types, shapes, scales and zero points; $labels |
| `model_golden.cc`, `model_golden.h` | inputs and the outputs that must come out |
| `main.cc` | runs the inputs and compares: the check, and an example of use |
| `CMakeLists.txt` | builds the check |
| `mps2/` | what an emulated Cortex-M7 needs for the check; no part of a firmware |
| `harness/` | a firmware that takes inputs and gives answers over a serial line |

## Check it on this machine

`TFLM_DIR` is a checkout of tflite-micro with its third parties, which its Makefile
fetches:

    cd /path/to/tflite-micro
    tools=tensorflow/lite/micro/tools
    make -f $$tools/make/Makefile third_party_downloads

or a tree that the checkout writes, with what one target needs (its README tells the
options for CMSIS-NN and others):

    python3 $$tools/project_generation/create_tflm_tree.py /path/to/tree

Then, in this folder:

    cmake -S . -B build -DTFLM_DIR=/path/to/tree
    cmake --build build --parallel
    ./build/check

It ends with `PASS` and exit code 0 if every output equals the golden one.

## In a project

Add `model_*` to the firmware, the golden ones if it shall check itself, and do as
`main.cc` does. It needs $arena bytes of memory for the arena on a 32-bit Arm core
with the reference kernels, and $flash bytes of flash for the network. Outputs of
CMSIS-NN equal the golden ones; it needs scratch memory on top (0 to 1.3 KiB for MLPerf
Tiny's networks on a Cortex-M7, up to 4.6 KiB on a Cortex-M55): reserve more and let
`arena_used_bytes()` say how much.

## Check it on an emulated Cortex-M7

With `arm-none-eabi-g++`, newlib and `qemu-system-arm` (Debian: `apt install
gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib
qemu-system-arm`):

    cmake -S . -B build-m7 -DTFLM_DIR=/path/to/tree \\
        -DCMAKE_TOOLCHAIN_FILE=mps2/toolchain.cmake
    cmake --build build-m7 --parallel
    qemu-system-arm -M mps2-an500 -nographic -monitor none -serial none \\
        -semihosting-config enable=on,target=native -kernel build-m7/check
""")


def main(bundle: Bundle) -> str:
    """main.cc."""
    inputs, outputs = list(bundle.inputs), list(bundle.outputs)
    return _MAIN.substitute(
        name=bundle.name,
        given=_reset(bundle)
        + "".join(
            _GIVEN.format(i=i, end=end, member=end.lower())
            for i, end in enumerate(inputs)
        ),
        compared="".join(
            _COMPARED.format(i=i, end=end, member=end.lower())
            for i, end in enumerate(outputs)
        ),
        differ=" ||\n      ".join(
            f"interpreter.{role}({i})->bytes !=\n"
            f"          sizeof(bundle::{end}Type) * bundle::k{end}Elements"
            for role, ends in (("input", inputs), ("output", outputs))
            for i, end in enumerate(ends)
        ),
        elements=" + ".join(f"bundle::k{end}Elements" for end in outputs),
    )


def _reset(bundle: Bundle) -> str:
    """Known answers are of the first run, before which layers have kept nothing."""
    if any(tensor.is_variable for tensor in bundle.program.tensors):
        return "  if (interpreter.Reset() != kTfLiteOk) {\n    return -1;\n  }\n"
    return ""


_GIVEN = """\
  std::memcpy(interpreter.input({i})->data.data, golden.{member},
              sizeof(bundle::{end}Type) * bundle::k{end}Elements);
"""
_COMPARED = """\
  for (int i = 0; i < bundle::k{end}Elements; ++i) {{
    const auto* output =
        static_cast<const bundle::{end}Type*>(interpreter.output({i})->data.data);
    differences += output[i] != golden.{member}[i];
  }}
"""


def readme(bundle: Bundle) -> str:
    """README.md."""
    saved = bundle.plan.greedy_bytes - bundle.plan.head_bytes
    plan = (
        f"The file brings a plan of the arena along that saves {saved:,} bytes."
        if bundle.is_planned
        else f"A plan of the arena in the file would save {saved:,} bytes: export with "
        "`--offline_plan`."
        if saved
        else "No plan of the arena is smaller than the interpreter's own."
    )
    source, sink = (
        " and ".join(
            f"{tensor.dtype} {'x'.join(map(str, tensor.shape))}"
            for tensor in ends.values()
        )
        for ends in (bundle.inputs, bundle.outputs)
    )
    return _README.substitute(
        name=bundle.name,
        described=f"From {source} to {sink}. {plan}",
        operators=len(bundle.methods),
        labels="labels" if bundle.labels else "no labels",
        arena=f"{bundle.arm.arena_bytes:,}",
        flash=f"{len(bundle.model):,}",
        metadata=_metadata(bundle),
    )


def _metadata(bundle: Bundle) -> str:
    if bundle.metadata is None:
        return ""
    rows = "".join(f"- {line}\n" for line in words.lines(bundle.metadata))
    return f"\n## Input and output\n\n{rows}"
