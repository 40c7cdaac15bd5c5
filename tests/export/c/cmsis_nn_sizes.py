"""Bytes of code of CMSIS-NN's int8 kernels that networks reach, beside ours.

python -m tests.export.c.cmsis_nn_sizes FOLDER [CORE]

FOLDER is a checkout of ARM-software/CMSIS-NN. Its wrapper functions are linked with all
that they call and nothing else, gcc -O2, as ours are compiled; weights and the
interpreter around them are not counted.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

COMMON = ("arm_convolve_wrapper_s8", "arm_fully_connected_s8")
DEPTHWISE = "arm_depthwise_conv_wrapper_s8"
# The functions that TensorFlow Lite Micro calls for each network's layers.
NETWORKS = {
    "cmsis_cifar10": (*COMMON, "arm_max_pool_s8"),
    "resnet8": (
        *(*COMMON, "arm_elementwise_add_s8", "arm_avgpool_s8"),
        "arm_softmax_s8",
    ),
    "keyword spotting": (*COMMON, DEPTHWISE, "arm_avgpool_s8", "arm_softmax_s8"),
    "anomaly detection": ("arm_fully_connected_s8",),
    "streaming wake word": (*COMMON, DEPTHWISE, "arm_softmax_s8"),
}


def compiled(checkout, core, folder):
    """The kernels of int8 and what supports them, as objects."""
    sources = [
        path
        for path in sorted((checkout / "Source").rglob("*.c"))
        if re.search(r"_s8|Support|Softmax", str(path.relative_to(checkout)))
        and not re.search(r"_(f16|f32|flt)\b", path.stem)
    ]
    command = ("arm-none-eabi-gcc", "-O2", "-mthumb", f"-mcpu={core}", "-w")
    sections = ("-ffunction-sections", "-fdata-sections")
    include = f"-I{checkout / 'Include'}"
    subprocess.run(
        (*command, *sections, include, "-c", *map(str, sources)), check=True, cwd=folder
    )
    return sorted(map(str, folder.glob("*.o")))


def linked(functions, objects, core, folder):
    """Bytes of a program that refers to `functions` alone."""
    source, program = folder / "main.c", folder / "main.elf"
    declared = "".join(f"extern int {name}();\n" for name in functions)
    used = "".join(f"sink = (void *){name};\n" for name in functions)
    source.write_text(
        f"{declared}void *volatile sink;\nvoid _start(void)\n{{\n{used}}}\n"
    )
    command = ("arm-none-eabi-gcc", "-O2", "-mthumb", f"-mcpu={core}", "-nostartfiles")
    link = ("-Wl,--gc-sections", "--specs=nosys.specs", "--specs=nano.specs")
    subprocess.run(
        (*command, *link, str(source), *objects, "-lm", "-o", str(program)),
        check=True,
        capture_output=True,
    )
    told = subprocess.run(
        ("arm-none-eabi-size", str(program)), capture_output=True, text=True, check=True
    ).stdout
    return int(told.splitlines()[1].split()[0])


def main():
    """Prints a line a network."""
    checkout, core = pathlib.Path(sys.argv[1]), (sys.argv[2:] or ["cortex-m4"])[0]
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        objects = compiled(checkout.resolve(), core, folder)
        for name, functions in NETWORKS.items():
            print(f"| {name} | {linked(functions, objects, core, folder):,} |")


if __name__ == "__main__":
    main()
