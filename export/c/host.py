"""A network's C, compiled here and run on many inputs."""

import contextlib
import dataclasses
import pathlib
import shutil
import subprocess
from collections.abc import Iterator, Sequence

import numpy as np

from export.c import literals, network, states
from tfpipeline import errors, leftovers
from tfpipeline.ir import graph

COMPILER = "cc"
_FLAGS = ("-std=c99", "-O2")
# All weights stand in the text: megabytes of it.
_TIMEOUT_SECONDS = 600
_OUTSIDE = 3

# Reads inputs, one after another, and writes the outputs of each.
_MAIN = """\
#include "$name.h"

#include <stdio.h>

int main(void)
{
$memory
    ${name}_set_guards();
    while ($read) {
$reset$call
        $write
    }
    return ${name}_guards_hold() ? 0 : $outside;
}
"""


def require(compiler: str) -> None:
    """Checks that a compiler is installed.

    Raises:
        UsageError: it is not.
    """
    if shutil.which(compiler) is None:
        raise errors.UsageError(
            f"there is no C compiler '{errors.one_line(compiler, 60)}' here: install "
            "one (Debian: apt install gcc), or name another by --host_compiler"
        )


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled network.

    Attributes:
        found: the network.
        path: of the program.
    """

    found: network.Network
    path: pathlib.Path

    def run(self, inputs: Sequence[graph.Array]) -> list[graph.Array]:
        """The outputs `[N, ...]` of integers `[N, ...]`, states anew for each.

        Raises:
            TargetError: it does not end, or writes outside of its arena.
        """
        ends = zip(self.found.inputs.values(), inputs, strict=True)
        rows = [
            np.ascontiguousarray(values, tensor.dtype).reshape(len(values), -1)
            for tensor, values in ends
        ]
        data = np.concatenate([row.view(np.uint8) for row in rows], axis=1).tobytes()
        try:
            done = subprocess.run(
                [str(self.path)],
                input=data,
                capture_output=True,
                timeout=_TIMEOUT_SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise errors.TargetError(
                f"the C of {self.found.name} did not end within {_TIMEOUT_SECONDS} s"
            ) from error
        outputs = list(self.found.outputs.values())
        sizes = [x.num_elements * np.dtype(x.dtype).itemsize for x in outputs]
        count = len(inputs[0])
        if done.returncode or len(done.stdout) != count * sum(sizes):
            raise errors.TargetError(
                f"the C of {self.found.name} "
                + (
                    "wrote outside of its arena"
                    if done.returncode == _OUTSIDE
                    else f"ended with {done.returncode}, after "
                    f"{len(done.stdout) // sum(sizes)} of {count} inputs"
                )
            )
        images = np.frombuffer(done.stdout, np.uint8).reshape(count, -1)
        columns = np.split(images, np.cumsum(sizes)[:-1], axis=1)
        return [
            np.frombuffer(column.tobytes(), output.dtype).reshape(
                count, *output.shape[1:]
            )
            for output, column in zip(outputs, columns, strict=True)
        ]


@contextlib.contextmanager
def compiled(found: network.Network, compiler: str = COMPILER) -> Iterator[Program]:
    """A network's C as a program, which is there within the block.

    Raises:
        UsageError: there is no such compiler.
        TargetError: it does not compile.
    """
    with leftovers.scratch_folder() as folder:
        (folder / "main.c").write_text(_main(found), encoding="utf-8")
        path = folder / "program"
        guards = f"-D{found.name.upper()}_GUARDS"
        build(found, folder, compiler, (*_FLAGS, guards, "main.c", "-o", path.name))
        yield Program(found, path)


def build(
    found: network.Network,
    folder: pathlib.Path,
    compiler: str,
    arguments: Sequence[str],
) -> None:
    """Writes a network's C into a folder of one's own, and compiles it there.

    Args:
        found: the network.
        folder: where the compiler runs.
        compiler: its name or path.
        arguments: besides the network's source and the library of mathematics.

    Raises:
        UsageError: there is no such compiler.
        TargetError: it does not compile.
    """
    require(compiler)
    source = folder / f"{found.name}.c"
    source.write_text(network.source(found), encoding="utf-8")
    header = source.with_suffix(".h")
    header.write_text(network.header(found), encoding="utf-8")
    try:
        done = subprocess.run(
            [compiler, *arguments, source.name, "-lm"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise errors.TargetError(
            f"{compiler} has not compiled {found.name} in {_TIMEOUT_SECONDS} s"
        ) from error
    if done.returncode:
        lines = [x for x in done.stderr.splitlines() if "error" in x] or ["no line"]
        raise errors.TargetError(
            f"{compiler} does not compile {found.name}: "
            f"{errors.one_line(lines[0], 200)}"
        )


def _main(found: network.Network) -> str:
    ends = {**found.inputs, **found.outputs}
    memory = [
        f"    static {tensor.dtype}_t {end}[{found.name.upper()}_{end.upper()}_SIZE];"
        for end, tensor in ends.items()
    ]
    read = [f"fread({end}, sizeof {end}, 1, stdin) == 1" for end in found.inputs]
    write = [f"fwrite({end}, sizeof {end}, 1, stdout);" for end in found.outputs]
    keeps = bool(states.num_bytes(found.g))
    return literals.filled(
        _MAIN,
        name=found.name,
        memory="\n".join(memory),
        read=" && ".join(read),
        reset=f"        {found.name}_reset();\n" if keeps else "",
        call=f"        {found.name}_run({', '.join(ends)});",
        write="\n        ".join(write),
        outside=str(_OUTSIDE),
    )
