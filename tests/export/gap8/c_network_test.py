"""The C of a program computes what the simulation does, in both precisions."""

import dataclasses
import subprocess

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from export.gap8 import c_arena, c_network, precisions
from tests.export.c import compiler
from tests.export.gap8 import programs
from tests.targets.gap8 import kernels_test, reference_files
from tfpipeline.cost import liveness
from tfpipeline.targets.gap8 import fixed_point, kernels, program, simulate

PRECISIONS = {kernels.SINGLE: 0, kernels.DOUBLE: 1}

# Reads inputs and writes outputs; the argument is the precision.
_MAIN = """\
#include <stdio.h>
#include "{name}.h"
int main(int argc, char **argv)
{{
    static {value} input[{upper}_INPUT_SIZE], output[{upper}_OUTPUT_SIZE];
    while (argc > 1 && fread(input, sizeof input, 1, stdin) == 1) {{
        {name}_run(input, output, argv[1][0] == '1');
        fwrite(output, sizeof output, 1, stdout);
    }}
    return 0;
}}
"""


def compiled(folder, p, name, *options):
    """The program of a network's C."""
    value = f"int{p.num_bits}_t"
    main = _MAIN.format(name=name, upper=name.upper(), value=value)
    texts = {
        f"{name}.h": c_network.header(p, name),
        f"{name}.c": c_network.source(p, name),
        "main.c": main,
    }
    for file, text in texts.items():
        (folder / file).write_text(text)
    sources = [folder / f"{name}.c", folder / "main.c"]
    return compiler.compile_program(sources, folder / name, *options)


def run(path, p, images, precision, shape=None):
    command = [str(path), str(PRECISIONS[precision])]
    done = subprocess.run(
        command, input=images.tobytes(), capture_output=True, timeout=120
    )
    assert (done.returncode, done.stderr.decode()) == (0, "")
    shape = shape or p.tensors[p.outputs[0]].shape
    return np.frombuffer(done.stdout, images.dtype).reshape(len(images), *shape)


def random_images(p, count=4, seed=0):
    low, high = fixed_point.value_range(p.num_bits)
    width = fixed_point.WIDTHS[p.num_bits]
    random = np.random.default_rng(seed)
    return random.integers(low, high, (count, *p.input.shape), width, endpoint=True)


@compiler.needs_gcc
@pytest.mark.parametrize("name", programs.ALL)
def test_computes_what_the_simulation_does(name, tmp_path):
    p = programs.ALL[name]
    path = compiled(tmp_path, p, name, *compiler.SANITIZERS)
    images = random_images(p)
    for precision in precisions.possible(p):
        found = run(path, p, images, precision)
        expected = simulate.outputs_readable(p, images, precision)[p.outputs[0]]
        assert len(np.unique(expected)) > 8
        np.testing.assert_array_equal(found, expected)


def two_results(num_bits=16):
    """A network of two results, the first of which the second is made from."""
    net = programs.Builder((4, 6, 6), num_bits)
    first, second = net.conv(4), net.conv(2)
    return dataclasses.replace(net.build(), outputs=(first, second))


@compiler.needs_gcc
@pytest.mark.parametrize("num_bits", [16, 8])
def test_several_results_lie_one_behind_the_other(num_bits, tmp_path):
    p = two_results(num_bits)
    path = compiled(tmp_path, p, "net", *compiler.SANITIZERS)
    images = random_images(p)
    header = c_network.header(p, "net")
    sizes = [p.tensors[name].num_elements for name in p.outputs]
    assert f"#define NET_OUTPUT1_OFFSET {sizes[0]}\n" in header
    assert f"#define NET_OUTPUT_SIZE {sum(sizes)}\n" in header
    for precision in precisions.possible(p):
        found = run(path, p, images, precision, (sum(sizes),))
        np.testing.assert_array_equal(found, simulate.rows(p, images, precision))
        every = simulate.outputs_readable(p, images, precision)
        first, second = (every[name].reshape(len(images), -1) for name in p.outputs)
        np.testing.assert_array_equal(found, np.concatenate([first, second], axis=1))


def test_biases_of_other_formats_have_no_single_precision():
    p = programs.ALL["separate_bias16"]
    assert precisions.possible(p) == (kernels.DOUBLE,)
    assert "_SINGLE_PRECISION" not in c_network.header(p, "net")
    assert precisions.possible(programs.ALL["fire8"]) == kernels.PRECISIONS


def test_the_precisions_differ():
    p = programs.ALL["mixed16"]
    both = [simulate.predict(p, random_images(p), each) for each in PRECISIONS]
    assert (both[0] != both[1]).any()


@compiler.needs_gcc
def test_known_answers_are_checked(tmp_path):
    p = programs.ALL["fire16"]
    images = random_images(p, 2)
    answers = {each: simulate.predict(p, images, each) for each in PRECISIONS}
    for wrong in (None, *PRECISIONS):
        given_answers = dict(answers)
        if wrong is not None:
            given_answers[wrong] = answers[wrong].copy()
            given_answers[wrong][1, -1] ^= 1
        (tmp_path / "fire.h").write_text(c_network.header(p, "fire"))
        (tmp_path / "fire.c").write_text(c_network.source(p, "fire"))
        test = tmp_path / "fire_test.c"
        test.write_text(c_network.test(p, "fire", images, given_answers))
        path = compiler.compile_program([tmp_path / "fire.c", test], tmp_path / "test")
        assert subprocess.run([path], timeout=60).returncode == (wrong is not None)


def single_layer(case, arrays):
    """A known answer of the vendor's kernels as a program of one layer."""
    layer = kernels_test.layer_of(case, arrays)
    data = arrays[f"{case['id']}/x"]
    shape = (*data.shape, *(1,) * (3 - data.ndim))
    result = arrays[f"{case['id']}/out"].shape
    q = getattr(layer, "format", fixed_point.Format(0, 0, 0, 0)).out_q
    tensors = {
        "x": program.Tensor("x", shape, 0),
        "y": program.Tensor("y", (*result, *(1,) * (3 - len(result))), q),
    }
    return program.Program(
        name="case",
        num_bits=16,
        tensors=tensors,
        layers=(layer,),
        inputs=("x",),
        outputs=("y",),
    )


def check_case(folder, case, arrays, *options):
    p = single_layer(case, arrays)
    precision = kernels.DOUBLE if case["op"] == "conv_dp" else kernels.SINGLE
    path = compiled(folder, p, "vendor_case", *options)
    images = arrays[f"{case['id']}/x"].reshape(1, *p.input.shape)
    found = run(path, p, images, precision)
    expected = arrays[f"{case['id']}/out"]
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@compiler.needs_gcc
@pytest.mark.real_data
def test_one_case_a_kernel_equals_the_vendors(tmp_path):
    """The slow test has all 92."""
    described, arrays = reference_files.load(kernels_test.NAME)
    first = {(c["op"], c.get("saturates")): c for c in described["cases"]}
    assert len(first) >= len(kernels_test.OPERATIONS)
    for case in first.values():
        check_case(tmp_path, case, arrays, "-O0")


@compiler.needs_gcc
@pytest.mark.slow
@pytest.mark.real_data
def test_all_cases_equal_the_vendors(tmp_path):
    described, arrays = reference_files.load(kernels_test.NAME)
    assert len(described["cases"]) == sum(kernels_test.OPERATIONS.values())
    for case in described["cases"]:
        check_case(tmp_path, case, arrays, *compiler.SANITIZERS)


@pytest.mark.parametrize("name", programs.ALL)
def test_no_two_live_tensors_share_the_arena(name):
    """By the lifetimes of single tensors, not those of the plan's buffers."""
    p = programs.ALL[name]
    arena = c_arena.plan(p)
    assert not overlaps(p, arena)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(0, 99))
def test_any_network_has_an_arena(choices, seed):
    net = programs.Builder((2, 4, 4), 16, seed)
    random = np.random.default_rng(seed)
    for choice in choices:
        names = list(net.tensors)
        source, other = random.choice(names, 2)
        if choice < 3 or net.tensors[source].shape[0] > 60:
            net.conv(3, (1, 1), source)
        elif choice < 5:
            net.concat(source, other)
        else:
            net.conv(3, (1, 1), net.concat(source, source, other))
    p = net.build()
    assert not overlaps(p, c_arena.plan(p))


def overlaps(p, arena):
    """Conflicts, each value of a tensor alive from its writer to its last reader."""
    times = {p.input.name: [0]}
    for time, layer in enumerate(p.layers, start=1):
        for name in (*layer.inputs, layer.output):
            times.setdefault(name, []).append(time)
    times[p.outputs[0]].append(len(p.layers) + 1)
    inside = {
        name: layer.output
        for layer in p.layers
        if isinstance(layer, program.Concat)
        for index, name in enumerate(layer.inputs)
        if index not in arena.moved[layer.name]
    }

    def wholes(name):
        return {name} | (wholes(inside[name]) if name in inside else set())

    found = []
    for first, second in ((a, b) for a in times for b in times if a < b):
        if first in wholes(second) or second in wholes(first):
            continue  # One lies in the other.
        buffers = [
            liveness.Buffer(n, p.tensor_bytes(n), min(times[n]), max(times[n]))
            for n in (first, second)
        ]
        starts = [arena.offsets[n] * p.bytes_per_element for n in (first, second)]
        ends = [s + b.bytes for s, b in zip(starts, buffers, strict=True)]
        meets = starts[0] < ends[1] and starts[1] < ends[0]
        if meets and buffers[0].overlaps(buffers[1]):
            found.append((first, second))
    assert max(arena.offsets.values()) < arena.elements
    return found
