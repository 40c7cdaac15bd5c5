"""What the exported files are, and the commands that take them."""

from export.gap8 import autotiler_model, layer_records, network, nntool_files
from tfpipeline.metadata import words
from tfpipeline.targets.gap8 import kernels, program_file, q_report

_TEXT = """\
{title}
{underline}

{bits}-bit fixed point, input {input_shape} (channels, rows, columns) with {input_q}
fraction bits, {outputs}.

{files}

AutoTiler
---------
{name}_model.c calls the generators of {sdk} (3.3 is the first whose generators
take fraction bits). Convolutions are {operation}, {precision}.
The solver, libtile.a, comes from GreenWaves. With the paths of the SDK's set-up:

  gcc -o tiler -I$TILER_INC -I$TILER_CNN_GENERATOR_PATH {name}_model.c \\
    $TILER_CNN_GENERATOR_PATH/CNN_Generators.c \\
    $TILER_CNN_GENERATOR_PATH/CNN_Generator_Util.c \\
    $TILER_CNN_GENERATOR_PATH/CNN_Copy_Generators.c $TILER_LIB
  ./tiler

writes {name}Kernels.c and .h, and the flash image with what is in weights/.

C on a PC
---------
  gcc -std=c99 -O2 c/*.c -o {name}_test && ./{name}_test

exits with 0 if it computes the known answers, by every rule that is possible.
{nntool}
Formats
-------
{formats}
{notes}"""

_NNTOOL = """
NNTool
------
In nntool/, with {tool}:

  nntool -s nntool_script {name}.tflite
  nntool -g {name}.json -M model -m {name}_model.c -T model/tensors \
    -H {name}_info.h

quantizes the float network over the images of calibration/ (at most {images}) by a
rule of its own and writes its own AutoTiler model, with other integers than here.
"""


def text(found: network.Network) -> str:
    """The text of README.txt."""
    p = found.program
    results = [p.tensors[name] for name in p.outputs]
    title = f"{p.name} for GAP8"
    listed = _files(found)
    width = max(len(file) for file, _ in listed)
    is_double = found.precision == kernels.DOUBLE
    notes = "".join(f"- {note}\n" for note in found.notes)
    return _TEXT.format(
        title=title,
        underline="-" * len(title),
        bits=p.num_bits,
        input_shape=p.input.shape,
        input_q=p.input.q,
        outputs=", ".join(f"output {each.shape} with {each.q}" for each in results),
        files="\n".join(f"{file:{width}}  {what}" for file, what in listed),
        name=found.name,
        sdk=autotiler_model.SDK,
        operation="KOP_CONV_DP" if is_double else "KOP_CONV",
        precision=found.precision.replace("_", " "),
        nntool=_NNTOOL.format(
            tool=nntool_files.TOOL, name=found.name, images=nntool_files.MAX_IMAGES
        )
        if found.tflite is not None
        else "",
        formats="\n".join(q_report.lines(p)),
        notes=words.section(found.metadata)
        + (f"\nNotes\n-----\n{notes}" if notes else ""),
    )


def _files(found: network.Network) -> list[tuple[str, str]]:
    name = found.name
    listed = [
        (program_file.FILE_NAME, "all integers, for tfpipeline"),
        (f"{name}_model.c", "the AutoTiler's model"),
        (
            "weights/",
            "LAYER.weights.bin and LAYER.bias.bin, for the flash",
        ),
        (f"{name}_weights.h", "the same as arrays"),
        (f"{name}_q.h", "fraction bits of each layer with weights"),
        (f"{layer_records.FOLDER}/", "each layer in the JSON of gap_quantization"),
        ("known_answers/", "inputs and outputs as blobs, and answers.json about them"),
        ("c/", "the network as C for a PC, and its test"),
    ]
    if found.plan is not None:
        listed.append((f"{name}_l2_plan.h", "where everything lies in L2"))
    if found.tflite is not None:
        listed.append(("nntool/", "the float network and a script for NNTool"))
    return listed
