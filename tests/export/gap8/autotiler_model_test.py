"""The model as text, and as C that the SDK's headers take."""

import os
import pathlib
import re
import subprocess

import pytest

from export.gap8 import autotiler_model, generator_calls
from tests.export.c import compiler
from tests.export.gap8 import programs
from tfpipeline.targets.gap8 import kernels, program


def everything(num_bits=16):
    """All generators: depthwise, pools, sums of both sorts, odd padding, a stack."""
    net = programs.Builder((2, 12, 12), num_bits)
    stem = net.conv(4, strides=(2, 2), padding=((0, 1), (0, 1)), relu=True)
    deep = net.conv(4, groups=4, padding=programs.PADDED)
    total = net.add(stem, deep, relu=True)
    wide = net.add(total, stem, relu=True, extra=1)
    left = net.conv(3, (1, 1), wide, pool=program.Window((2, 2), (2, 2)))
    right = net.conv(5, (1, 1), wide, pool=program.Window((2, 2), (2, 2)))
    net.concat(left, right)
    net.pool("max", (2, 2), (1, 1))
    net.pool("average", (2, 2), (2, 2))
    net.linear(6, relu=True)
    return net.build("every thing*/")


def text(p, precision=kernels.DOUBLE):
    return autotiler_model.text(p, generator_calls.make(p, precision), "net", 123_456)


def test_every_tensor_of_a_node_is_declared_once():
    found = text(everything())
    declared = re.findall(r'TCArgInfo\("[^"]*", "(\w+)"', found)
    stacks = [
        re.findall(r'"(\w+)"', line)
        for line in re.findall(r"AddStackedTensors\((.*)\);", found)
    ]
    parts = [name for _, *names in stacks for name in names]
    assert len(stacks) == 1
    assert len({*declared, *parts}) == len(declared) + len(parts)
    assert {whole for whole, *_ in stacks} <= set(declared)
    bound = re.findall(r'GNodeArg\(GNA_\w+, "(\w+)"', found)
    assert set(bound) == {*declared, *parts}
    nodes = re.findall(r'AddNode\("(\w+)"', found)
    assert nodes == re.findall(r'CNN_\w+\(\n\s+"(\w+)"', found)
    counts = {
        kind: sum(map(int, re.findall(rf"{kind}\((\d+),", found)))
        for kind in ("CArgs", "Bindings")
    }
    assert counts == {"CArgs": len(declared), "Bindings": len(bound)}


def test_memory_and_names():
    found = text(everything())
    assert "#define NETWORK_L1_BYTES 49152" in found
    assert "#define NETWORK_L2_BYTES 123456" in found
    assert "every thing" in found.splitlines()[0] and "*/" not in found.splitlines()[0]
    assert '"weights/l0.weights.bin", 1, 1, 16, ' in found


def sdk_folders():
    """The AutoTiler's headers in a checkout of gap_sdk."""
    tiler = pathlib.Path(os.environ["GAP8_NNTOOL"]) / "tools" / "autotiler_v3"
    return tiler / "Autotiler", tiler / "CNN_Generators"


@pytest.mark.vendor
@pytest.mark.skipif("GAP8_NNTOOL" not in os.environ, reason="GAP8_NNTOOL not set")
@compiler.needs_gcc
@pytest.mark.parametrize("num_bits", [16, 8])
@pytest.mark.parametrize("precision", kernels.PRECISIONS)
def test_the_sdks_headers_take_it(num_bits, precision, tmp_path):
    """Prototypes: the number and the kind of all arguments. The solver is closed."""
    model = tmp_path / "net_model.c"
    model.write_text(text(everything(num_bits), precision))
    includes = [f"-I{folder}" for folder in sdk_folders()]
    options = ["-std=gnu99", "-fsyntax-only", "-Wall", "-Werror=implicit"]
    done = subprocess.run(
        ["gcc", *options, *includes, str(model)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    own = [line for line in done.stderr.splitlines() if "net_model.c:" in line]
    assert not [line for line in own if "warning" in line], own
