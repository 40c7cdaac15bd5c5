"""A small descriptor network in the integers of the GAP8."""

import numpy as np

from tfpipeline.targets.gap8 import fixed_point, program

SIDE = 8
LENGTH = 6


def descriptor(seed=0, inputs=1):
    """A convolution of `SIDE`x`SIDE` pixels, the mean of each of `LENGTH` planes."""
    generator = np.random.default_rng(seed)
    form = fixed_point.Format(in_q=0, weight_q=12, bias_q=6, out_q=6)
    window = program.Window((SIDE, SIDE), (SIDE, SIDE))
    conv = program.Conv(
        name="conv",
        inputs=("image",),
        output="planes",
        weights=generator.integers(-2000, 2000, (LENGTH, inputs, 3, 3), np.int16),
        bias=generator.integers(-500, 500, LENGTH, np.int16),
        format=form,
        relu=True,
        padding=((1, 1), (1, 1)),
    )
    mean = program.AvgPool(
        name="mean",
        inputs=("planes",),
        output="descriptor",
        window=window,
        factor=1024,
        shift=16,
    )
    tensors = (
        program.Tensor("image", (inputs, SIDE, SIDE), 0),
        program.Tensor("planes", (LENGTH, SIDE, SIDE), 6),
        program.Tensor("descriptor", (LENGTH, 1, 1), 6),
    )
    return program.Program(
        name="tiny",
        num_bits=16,
        tensors={tensor.name: tensor for tensor in tensors},
        layers=(conv, mean),
        inputs=("image",),
        outputs=("descriptor",),
    )
