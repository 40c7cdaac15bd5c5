"""The AutoTiler's model of a program: the C that makes the chip's C.

Compiled against the AutoTiler's library and run, it chooses tiles and writes the code
of the network. The text has what NNTool 4.1 writes: the memories, one generator call a
layer, and the graph of tensors and nodes.
"""

from collections.abc import Iterator, Sequence

from export.c import literals
from export.gap8 import file_names, generator_calls
from tfpipeline.targets.gap8 import program, spec

# The version whose generators are called; from 3.3 on they take fraction bits.
SDK = "gap_sdk 4.1"

_TYPES = {8: "signed char", 16: "signed short"}
# Bytes of HyperFlash: what NNTool 4.1 writes.
_FLASH_BYTES = 64 * 1024 * 1024

_TEXT = """\
/* {title}

   AutoTiler model for {sdk}.
   Kernels: {operation}, Q formats per tensor, data [channels][rows][columns].
   Run it where `{folder}` is. */
#include <stdint.h>
#include <stdio.h>
#include "AutoTilerLib.h"
#include "CNN_Generators.h"
#include "CNN_Copy_Generators.h"

/* Bytes that the network may use of each memory. */
#ifndef NETWORK_L1_BYTES
#define NETWORK_L1_BYTES {l1}
#endif
#ifndef NETWORK_L2_BYTES
#define NETWORK_L2_BYTES {l2}
#endif
#ifndef NETWORK_L3_BYTES
#define NETWORK_L3_BYTES {l3}
#endif
#ifndef NETWORK_FLASH_BYTES
#define NETWORK_FLASH_BYTES {flash}
#endif

static void {name}_generators(void)
{{
{generators}}}

static void {name}_graph(void)
{{
{graph}}}

void {name}Model(unsigned int L1Memory, unsigned int L2Memory, unsigned int L3Memory,
    unsigned int L3Flash)
{{
    SetSymbolDynamics();
    SetUsedFilesNames(0, 2, "Gap.h", "CNN_BasicKernels.h");
    SetGeneratedFilesNames("{name}Kernels.c", "{name}Kernels.h");
    SetMemoryDeviceInfos(4,
        AT_MEM_L1, L1Memory, "{name}_L1_Memory", 0, 0,
        AT_MEM_L2, L2Memory, "{name}_L2_Memory", 0, 1,
        AT_MEM_L3_HRAM, L3Memory, "{name}_L3_Memory", 0, 0,
        AT_MEM_L3_HFLASH, L3Flash, "{name}_L3_Flash", "{name}_L3_Flash_Const.dat", 0
    );
    LoadCNNLibrary();
    {name}_generators();
    {name}_graph();
}}

int main(int argc, char **argv)
{{
    if (TilerParseOptions(argc, argv)) {{
        printf("Failed to initialize or incorrect output arguments directory.\\n");
        return 1;
    }}
    {name}Model(NETWORK_L1_BYTES, NETWORK_L2_BYTES, NETWORK_L3_BYTES,
        NETWORK_FLASH_BYTES);
    GenerateTilingCode();
    return 0;
}}
"""


def text(
    p: program.Program, calls: generator_calls.Calls, name: str, l2_bytes: int
) -> str:
    """The text of NAME_model.c.

    Args:
        p: the program.
        calls: of its generators.
        name: a C identifier.
        l2_bytes: of L2 that the network may use, unless the compiler is told another.
    """
    operations = {str(call.arguments.get("ConvOper")) for call in calls.calls}
    is_double = any(operation.endswith("DP") for operation in operations)
    return _TEXT.format(
        title=literals.comment(p.name)[3:-3],
        sdk=SDK,
        operation="double precision" if is_double else "single precision",
        folder=file_names.FOLDER,
        name=name,
        l1=spec.L1_USABLE_BYTES,
        l2=l2_bytes,
        l3=spec.L3_BYTES,
        flash=_FLASH_BYTES,
        generators="\n".join(map(_generator, calls.calls)),
        graph="\n".join(_graph(p, calls, name)),
    )


def _generator(call: generator_calls.Call) -> str:
    """A generator's call, its control block in front of it."""
    values = ['"' + call.name + '"', "0" if call.pad_type is None else "&control"]
    values += map(str, call.arguments.values())
    rows = literals.items(values, " " * 8).rstrip().removesuffix(",")
    called = f"    {call.generator}(\n{rows});\n"
    if call.pad_type is None:
        return called
    inner = "".join(f"    {line}\n" for line in called.splitlines())
    return (
        "    {\n"
        "        CNN_GenControl_T control;\n"
        "        CNN_InitGenCtrl(&control);\n"
        f'        CNN_SetGenCtrl(&control, "PADTYPE", AT_OPT_VAL({call.pad_type}));\n'
        f"{inner}    }}\n"
    )


def _graph(
    p: program.Program, calls: generator_calls.Calls, name: str
) -> Iterator[str]:
    symbols = symbol_names(p, calls)
    pointer = f"{_TYPES[p.num_bits]} * __restrict__"
    given = [
        _argument(pointer, symbols[p.input.name], "ARG", "IN", ("L2", "L2")),
        *_constants(p, pointer),
        *(
            _argument(pointer, symbols[each], "ARG", "OUT", ("L2", "L2"))
            for each in calls.outputs
        ),
    ]
    between = [
        _argument(pointer, symbols[each], "LOCAL", "INOUT", ("UNDEF", "UNDEF"))
        for each in calls.locals
    ]
    yield f'    CreateGraph("{name}CNN",'
    yield _counted("CArgs", given, " " * 8) + ","
    yield (_counted("CArgs", between, " " * 8) if between else " " * 8 + "0") + ");\n"
    for whole, parts in calls.stacks.items():
        names = [f'"{symbols[each]}"' for each in parts]
        yield (
            f'    AddStackedTensors("{symbols[whole]}", {len(names)}, '
            f"{', '.join(names)});\n"
        )
    for call in calls.calls:
        bound = [
            *(("IN", symbols[each]) for each in call.inputs),
            *(("IN", each) for each in call.constants),
            ("OUT", symbols[call.output]),
        ]
        arguments = [f'GNodeArg(GNA_{way}, "{symbol}", 0)' for way, symbol in bound]
        yield f'    AddNode("{call.name}",'
        yield _counted("Bindings", arguments, " " * 8) + ");\n"
    yield "    CloseGraph();\n"


def symbol_names(p: program.Program, calls: generator_calls.Calls) -> dict[str, str]:
    """The C name of every tensor."""
    written = dict.fromkeys((*(call.output for call in calls.calls), *calls.stacks))
    numbered = {name: f"T{index}" for index, name in enumerate(written)}
    results = {name: f"Output_{i}" for i, name in enumerate(calls.outputs, start=1)}
    return numbered | {p.input.name: "Input_1"} | results


def _constants(p: program.Program, pointer: str) -> Iterator[str]:
    """Weights and biases, in flash until they are needed."""
    stems = file_names.stems(p)
    for index, layer in enumerate(p.layers):
        if not isinstance(layer, program.Weighted):
            continue
        label = generator_calls.label(index, layer)
        for what, q in (
            ("weights", layer.format.weight_q),
            ("bias", layer.format.bias_q),
        ):
            file = f"{file_names.FOLDER}/{stems[layer.name]}.{what}.bin"
            info = f'ConstInfo("{file}", 1, 1, {p.num_bits}, {q})'
            homes = ("L3_HFLASH", "UNDEF")
            yield _argument(
                pointer, f"{label}_{what}", "GLOBAL", "CONSTIN", homes, info
            )


def _argument(
    pointer: str,
    symbol: str,
    scope: str,
    direction: str,
    homes: tuple[str, str],
    info: str = "0",
) -> str:
    home, execution = homes
    return (
        f'TCArgInfo("{pointer}", "{symbol}", ARG_SCOPE_{scope}, ARG_DIR_{direction}, '
        f"AT_MEM_{home}, AT_MEM_{execution}, {info})"
    )


def _counted(function: str, values: Sequence[str], indent: str) -> str:
    """A call with the number of what follows in front."""
    rows = ",\n".join(f"{indent}    {value}" for value in values)
    return f"{indent}{function}({len(values)},\n{rows})"
