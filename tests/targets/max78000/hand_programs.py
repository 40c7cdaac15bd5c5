"""Programs whose outputs are worked by hand from the rules of `arithmetic`."""

import numpy as np

from tfpipeline.targets.max78000 import accelerator_layer, arithmetic, program

# 2**7 takes back the division by 128: outputs are the sums themselves.
SUMS = arithmetic.FRACTION_BITS
NINE = [1, 2, 3, 4, 5, 6, 7, 8, 9]


def layer(operator, in_dim, channels, weights=None, **fields):
    """A program's layer; `channels` of one operand and of the output."""
    integers = {"weights": weights, "bias": fields.pop("bias", None)}
    arrays = {
        name: None if values is None else np.array(values, np.int8)
        for name, values in integers.items()
    }
    inputs = fields.pop("inputs", (program.INPUT,))
    output_shift = fields.pop("output_shift", 0)
    hardware = accelerator_layer.AcceleratorLayer(
        operator=operator,
        in_dim=in_dim,
        in_channels=channels[0],
        out_channels=channels[1],
        # The processors play no part in the values.
        processors=1,
        output_processors=1,
        bias=arrays["bias"] is not None,
        **fields,
    )
    if weights is not None:
        shape = (channels[1], *hardware.kernel, -1)
        arrays["weights"] = arrays["weights"].reshape(shape)
    return program.Layer(
        hardware=hardware, inputs=inputs, output_shift=output_shift, **arrays
    )


def point(columns, channels, weights, **fields):
    """A 1x1 convolution of one row."""
    return layer("conv2d", (1, columns), channels, weights, **fields)


def passthrough(in_dim, channels=1, **fields):
    return layer("passthrough", in_dim, (channels, channels), **fields)


def combined(operator, columns=1, operands=2, **fields):
    """Operands of one channel, which are the channels of the input."""
    return passthrough((1, columns), eltwise=operator, operands=operands, **fields)


# Name -> input shape, image, layers, what the last one makes of it.
CASES = {
    # Padding is zeros: the corner sees 5 * 1 + 6 * 2 + 8 * 3 + 9 * 4.
    "conv2d": (
        (2, 2, 1),
        [1, 2, 3, 4],
        [
            layer(
                "conv2d",
                (2, 2),
                (1, 1),
                NINE,
                kernel=(3, 3),
                pad=(1, 1),
                output_shift=SUMS,
            )
        ],
        [77, 67, 47, 37],
    ),
    "channels": (
        (1, 1, 2),
        [3, 5],
        [point(1, (2, 3), [1, 0, 0, 1, 2, -3], output_shift=SUMS)],
        [3, 5, 6 - 15],
    ),
    "groups": (
        (1, 1, 2),
        [3, 5],
        [point(1, (2, 2), [2, -3], groups=2, output_shift=SUMS)],
        [6, -15],
    ),
    "conv1d": (
        (4, 1, 1),
        [1, 2, 3, 4],
        [
            layer(
                "conv1d",
                (4, 1),
                (1, 1),
                [1, -1, 2],
                kernel=(3, 1),
                output_shift=SUMS,
            )
        ],
        [1 - 2 + 6, 2 - 3 + 8],
    ),
    "conv1d dilated and padded": (
        (3, 1, 1),
        [1, 2, 3],
        [
            layer(
                "conv1d",
                (3, 1),
                (1, 1),
                [1, -1, 2],
                kernel=(3, 1),
                pad=(2, 0),
                dilation=(2, 1),
                output_shift=SUMS,
            )
        ],
        [-1 + 2 * 3, -2, 1 - 3],
    ),
    # The pixels 1 and 2 lie at columns 1 and 3 of a plane of 4x6 zeros, in row 1.
    "convtranspose2d": (
        (1, 2, 1),
        [1, 2],
        [
            layer(
                "convtranspose2d",
                (1, 2),
                (1, 1),
                NINE,
                kernel=(3, 3),
                pad=(1, 1),
                stride=(2, 2),
                output_shift=SUMS,
            )
        ],
        [5, 4 + 2 * 6, 10, 8, 2, 1 + 2 * 3, 4, 2],
    ),
    # The image's channels are (1, 3) and (2, 4); 4-bit weights; the bias is 128.
    "linear, flattened": (
        (1, 2, 2),
        [1, 2, 3, 4],
        [
            layer(
                "linear",
                (1, 2),
                (2, 1),
                [1, 5, -1, -8],
                flatten=True,
                weight_bits=4,
                bias=[1],
                output_width=32,
                output_shift=-3,
            )
        ],
        [1 + 15 - 2 - 32 + 128],
    ),
    "linear": (
        (1, 1, 2),
        [100, -3],
        [layer("linear", (1, 1), (2, 2), [-128, 0, 1, 127], output_shift=-1)],
        # -12800 / 256 = -50; (100 - 381) / 256 = -1.098
        [-50, -1],
    ),
    "halves go up": (
        (1, 4, 1),
        [64, -64, 63, -65],
        [point(4, (1, 1), [1])],
        [1, 0, 0, -1],
    ),
    # The quotients are -0.5 and -1.5: rounded first, and then made positive.
    "Abs": (
        (1, 3, 1),
        [-64, -96, 127],
        [point(3, (1, 1), [2], activation="Abs", output_shift=-1)],
        [0, 1, 1],
    ),
    "Abs of the smallest": (
        (1, 1, 1),
        [-128],
        [point(1, (1, 1), [127], activation="Abs", output_shift=1)],
        [127],
    ),
    "ReLU": (
        (1, 3, 1),
        [-128, 1, 127],
        [point(3, (1, 1), [127], activation="ReLU", output_shift=1)],
        # 127 * 127 / 64 is more than 127.
        [0, 2, 127],
    ),
    "bias": (
        (1, 1, 1),
        [0],
        [point(1, (1, 3), [0, 0, 0], bias=[1, -1, -128], output_shift=-1)],
        # 1/2, -1/2, -64
        [1, 0, -64],
    ),
    "weights of 1 bit": (
        (1, 1, 2),
        [7, 5],
        [point(1, (2, 2), [-1, -1, 0, -1], weight_bits=1, output_shift=SUMS)],
        [-12, -5],
    ),
    "weights of 2 bits": (
        (1, 1, 2),
        [7, 5],
        [point(1, (2, 1), [-2, 1], weight_bits=2, output_shift=SUMS + 1)],
        [2 * -9],
    ),
    "32 bits neither shift nor saturate": (
        (1, 1, 1),
        [-128],
        [point(1, (1, 2), [-128, 127], output_width=32, output_shift=-9)],
        [16384, -16256],
    ),
    "max pooling": (
        (2, 3, 1),
        [1, -5, 9, -3, -4, 9],
        [passthrough((2, 3), pool=(2, 2), pool_stride=(2, 2))],
        [1],
    ),
    # -10 / 4 and 10 / 4 are truncated towards zero.
    "average pooling": (
        (2, 4, 1),
        [-1, -2, 1, 2, -3, -4, 3, 4],
        [passthrough((2, 4), pool=(2, 2), pool_stride=(2, 2), pool_type="avg")],
        [-2, 2],
    ),
    "overlapping windows in front of a convolution": (
        (1, 4, 1),
        [1, 2, 9, 4],
        [point(4, (1, 1), [3], pool=(1, 3), pool_stride=(1, 1), output_shift=SUMS)],
        [27, 27],
    ),
    "dilated pooling": (
        (1, 4, 1),
        [1, 2, 0, -4],
        [passthrough((1, 4), pool=(1, 2), pool_dilation=(1, 2))],
        [1, 2],
    ),
    "stride without a window": (
        (3, 3, 1),
        NINE,
        [passthrough((3, 3), pool_stride=(2, 2))],
        [1, 3, 7, 9],
    ),
    "add": ((1, 2, 2), [100, 28, -5, 3], [combined("add", 2)], [127, -2]),
    "add of three": ((1, 1, 3), [100, 100, -99], [combined("add", 1, 3)], [101]),
    "sub": ((1, 2, 2), [-100, 29, 5, 3], [combined("sub", 2)], [-128, 2]),
    "or": ((1, 1, 2), [5, 3], [combined("or")], [7]),
    "xor": ((1, 1, 2), [-1, 5], [combined("xor")], [-6]),
    # 5 + 4 of the maxima, and the maximum of 1 + 4 and 5 - 3.
    "pooling before the sum": (
        (1, 2, 2),
        [1, 4, 5, -3],
        [combined("add", 2, pool=(1, 2))],
        [9],
    ),
    "pooling after the sum": (
        (1, 2, 2),
        [1, 4, 5, -3],
        [combined("add", 2, pool=(1, 2), pool_first=False)],
        [5],
    ),
    # (100 + 28) saturates to 127 before the average with 0 is 63, not 64.
    "the sum saturates before pooling": (
        (1, 2, 2),
        [100, 28, 0, 0],
        [combined("add", 2, pool=(1, 2), pool_type="avg", pool_first=False)],
        [63],
    ),
    # In front of a convolution too: (100 + 28) * 2 is 254.
    "the sum saturates before the convolution": (
        (1, 1, 2),
        [100, 28],
        [point(1, (1, 1), [2], eltwise="add", operands=2, output_width=32)],
        [254],
    ),
    "residual": (
        (1, 2, 1),
        [10, -20],
        [
            passthrough((1, 2)),
            point(2, (1, 1), [2], output_shift=SUMS),
            combined("sub", 2, inputs=(1, 0)),
        ],
        [10, -20],
    ),
    # Channels (2x, x) and (3x): the layer's weights are 1, 10, 100.
    "concatenation": (
        (1, 1, 1),
        [1],
        [
            point(1, (1, 2), [2, 1], output_shift=SUMS),
            point(1, (1, 1), [3], inputs=(-1,), output_shift=SUMS),
            point(1, (3, 1), [1, 10, 100], inputs=(0, 1), output_width=32),
        ],
        [2 + 10 + 300],
    ),
    # Two inputs of 3 + 1 channels make two operands of 2.
    "operands are cut out of all inputs together": (
        (1, 1, 1),
        [1],
        [
            point(1, (1, 3), [2, 3, 5], output_shift=SUMS),
            passthrough((1, 1), channels=2, eltwise="sub", operands=2, inputs=(0, -1)),
        ],
        [2 - 5, 3 - 1],
    ),
    "rows are read one after the other": (
        (2, 2, 1),
        [1, 2, 3, 4],
        [layer("conv1d", (4, 1), (1, 1), [1, 10], kernel=(2, 1), output_shift=SUMS)],
        [21, 32, 43],
    ),
}
