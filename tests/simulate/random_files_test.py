"""1,500 random files: equal to TensorFlow Lite Micro, or refused with a reason."""

import collections
import re

import numpy as np
import pytest

from export.tflite import from_graph
from tests.export.c import compiler
from tests.simulate import forked_micro, random_files
from tfpipeline import errors
from tfpipeline.ir import from_tflite
from tfpipeline.simulate import execution, support

COUNT = 1500
# Of the default tests: as many files of every operator as of any other.
FEW = 123
NAMES = len(random_files.NAMES)

# What may be said, and how TensorFlow Lite Micro ends where it must not run the file;
# `None` where it may run it and compute something else, or the same.
REASONS = {
    r"layers that only move integers keep it.* of different scales": None,
    r"beside int16 its bias must be int64": None,
    r"hard_swish of int16: TFLite Micro has it for int8 only": "refused",
    r"relu_(0|n1)_to_1 of int\d+: TFLite Micro has no operator": "refused",
    r"the zero point of the int16 tensor .* must be 0": None,
    r"writes (int\d+ of )?the scale .* and the zero point": None,
    r"needs an input's scale (below|from)": None,
    r"is not simulated: it has int16 tensors; supported are int8": "refused",
    r"its integers grow by 2\*\*\d+ from scale to scale": None,
    r"more than a \d+th of its operands' larger one": "SIGABRT",
    r"does not rescale RELU6": None,
    # A transposed convolution whose strides exceed its kernel.
    r"TransposeConv2D .* the window gives .*IR-WINDOW": None,
    r"the output's scale must be more than a 128th of the input's": "refused",
    r"TFLite Micro shifts its 16 bits by \d+, at most 15": None,
    r"its input's scale must be more than": "SIGABRT",
    r"its bias must have the scale of its sums": "refused",
    r"its sums reach \d+; they must stay below": None,
    r"its clamp at .* is beyond int32": None,
}


def refusal(case):
    """The graph, or why there is none or no execution of it."""
    try:
        g = from_tflite.read(case.model)
    except errors.GraphError as error:
        return None, str(error)
    return g, "; ".join(support.reasons(g))


def check(folder, numbers):
    """Holds the files of `numbers` to TensorFlow Lite Micro; returns what was equal.

    Returns:
        The graphs that are executed, by number, and their inputs and outputs; and how
        often each of `REASONS` was said.
    """
    drawn = {number: random_files.case(number) for number in numbers}
    found = forked_micro.predict(folder, list(drawn.values()))
    equal, said = {}, collections.Counter()
    for (number, case), micro in zip(drawn.items(), found, strict=True):
        who = f"file {number}, {case.operator}"
        g, why = refusal(case)
        if why:
            known = [reason for reason in REASONS if re.search(reason, why)]
            assert known, f"{who}: {why}"
            said.update(known)
            ends = {REASONS[reason] for reason in known} - {None}
            assert not ends or micro in ends, f"{who}: {why}, but {micro}"
            continue
        outputs = execution.predict(g, case.images)
        readable = execution.predict_readable(g, case.images)
        np.testing.assert_array_equal(readable, outputs, err_msg=who)
        if isinstance(micro, str):
            # It lacks the operator in this form; what we write of it, it has.
            assert micro == "refused", who
            case = random_files.Case(case.operator, from_graph.to_bytes(g), case.images)
            again = folder / f"written{number}"
            again.mkdir()
            (micro,) = forked_micro.predict(again, [case])
        np.testing.assert_array_equal(outputs, micro, err_msg=who)
        equal[number] = (g, case.images, outputs)
    return equal, said


def test_some_files_are_bit_exact_or_refused_with_a_reason(tmp_path):
    equal, _ = check(tmp_path, range(FEW))
    assert len(equal) > FEW / 2
    assert FEW % NAMES == 0


@pytest.mark.slow
def test_1500_files_are_bit_exact_or_refused_with_a_reason(tmp_path):
    equal, said = check(tmp_path, range(COUNT))
    assert len(equal) > COUNT * 2 / 3
    operators = {random_files.case(number).operator for number in equal}
    assert len(operators) == NAMES - 2, "all but those that Micro lacks"
    # Most must say something: not all are filled with one value.
    telling = sum(len(np.unique(outputs)) > 1 for _, _, outputs in equal.values())
    assert telling > 0.7 * len(equal)
    assert said["does not rescale RELU6"] > 10


@pytest.mark.slow
@compiler.needs_gcc
@pytest.mark.parametrize("part", range(4))
def test_the_generated_c_is_bit_exact_on_them(part, tmp_path):
    # Compiling takes a fifth of a second a file; the parts take every sixteenth each.
    (tmp_path / "micro").mkdir()
    equal, _ = check(tmp_path / "micro", range(part, COUNT, 16))
    graphs = {number: g for number, (g, _, _) in equal.items()}
    program = compiler.Program(tmp_path, graphs, *compiler.SANITIZERS)
    for number, (_, images, outputs) in equal.items():
        found = program.predict(number, images)
        np.testing.assert_array_equal(found, outputs, err_msg=f"file {number}")
