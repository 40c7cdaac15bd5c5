"""Compiles what `export.c` writes and runs it on many inputs."""

import dataclasses
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from export.c import files, network, states
from tfpipeline import marked_folder
from tfpipeline.ir import graph

WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-std=c99", "-pedantic")
# Without optimization the sanitizers see every step, and compile twice as fast; without
# messages (a fault of UBSan is then a SIGILL) they compile in two thirds of the time.
SANITIZERS = (
    "-O0",
    "-fsanitize=undefined,address",
    "-fno-sanitize-recover=all",
    "-fsanitize-undefined-trap-on-error",
)

needs_gcc = pytest.mark.skipif(
    shutil.which("gcc") is None, reason="no gcc to compile the generated C"
)

# Reads the number of a network, then inputs; writes outputs. Both may be in the arena.
_MAIN = """\
#include <stdio.h>
#include <stdlib.h>
{includes}

int main(int argc, char **argv)
{{
    const int in_place = argc > 2 && argv[2][0] == 'i';
    const int keep = argc > 2 && argv[2][0] == 'k';
    (void)keep;
    switch (argc > 1 ? atoi(argv[1]) : -1) {{
{cases}
    default:
        return 2;
    }}
    return 0;
}}
"""
_CASE = """\
    case {number}: {{
{memory}
        {name}_set_guards();
        while ({read}) {{
{reset}            {name}_run({ends});
            {write}
        }}
        if (!{name}_guards_hold()) {{
            return 3;
        }}
        break;
    }}"""


_RESET = """\
            if (!keep) {{
                {name}_reset();
            }}
"""


def _ends(found):
    """Memory of a network's inputs and outputs, and how it is filled and written."""
    ends = {**found.inputs, **found.outputs}
    memory = [
        f"        static {tensor.dtype}_t own_{end}"
        f"[{found.name.upper()}_{end.upper()}_SIZE];\n"
        f"        {tensor.dtype}_t *const {end} = in_place ? {found.name}_{end}()"
        f" : own_{end};"
        for end, tensor in ends.items()
    ]
    read = [f"fread({end}, sizeof own_{end}, 1, stdin) == 1" for end in found.inputs]
    write = [f"fwrite({end}, sizeof own_{end}, 1, stdout);" for end in found.outputs]
    return {
        "memory": "\n".join(memory),
        "read": " && ".join(read),
        "write": "\n            ".join(write),
        "ends": ", ".join(ends),
    }


def compile_program(sources, output, *options, compiler="gcc"):
    """A program of C files, or an object of one; a warning is an error."""
    command = [compiler, *WARNINGS, *options, *map(str, sources), "-o", str(output)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return output


class Program:
    """All networks of `graphs`, graphs or prepared, by name, in one program."""

    def __init__(self, folder: pathlib.Path, graphs, *options):
        self.networks = {}
        cases = []
        for number, (name, g) in enumerate(graphs.items()):
            found = g
            if isinstance(g, graph.Graph):
                found = network.prepare(g, f"net{number}")
            found = dataclasses.replace(found, name=f"net{number}")
            marked_folder.write(folder / found.name, files.contents(found))
            self.networks[name] = found
            names = {"number": number, "name": found.name, "upper": found.name.upper()}
            names["reset"] = _RESET.format(**names) if states.num_bytes(found.g) else ""
            cases.append(_CASE.format(**names, **_ends(found)))
        written = [found.name for found in self.networks.values()]
        includes = "\n".join(f'#include "{name}/{name}.h"' for name in written)
        main = folder / "main.c"
        main.write_text(_MAIN.format(includes=includes, cases="\n".join(cases)))
        sources = [*(folder / name / f"{name}.c" for name in written), main]
        guards = [f"-D{name.upper()}_GUARDS" for name in written]
        self.path = compile_program(sources, folder / "program", *guards, *options)

    def predict(self, name, images, *, in_place=False):
        """As `run`, for one input and one output."""
        return self.run(name, [images], in_place=in_place)[0]

    def run(self, name, inputs, *, in_place=False, keep=False):
        """The outputs for each image; `in_place` of inputs written into the arena.

        States begin anew with each image unless `keep` says otherwise.
        """
        number = list(self.networks).index(name)
        how = ["in place"] * in_place + ["keep"] * keep
        command = [str(self.path), str(number), *how]
        given = b"".join(
            np.ascontiguousarray(each).tobytes()
            for image in zip(*inputs, strict=True)
            for each in image
        )
        done = subprocess.run(command, input=given, capture_output=True, timeout=120)
        assert (done.returncode, done.stderr.decode()) == (0, "")
        outputs = list(self.networks[name].outputs.values())
        sizes = [each.num_elements * np.dtype(each.dtype).itemsize for each in outputs]
        images = np.frombuffer(done.stdout, np.uint8).reshape(-1, sum(sizes))
        columns = np.split(images, np.cumsum(sizes)[:-1], axis=1)
        return [
            np.frombuffer(column.tobytes(), output.dtype).reshape(
                len(images) * output.shape[0], *output.shape[1:]
            )
            for output, column in zip(outputs, columns, strict=True)
        ]
