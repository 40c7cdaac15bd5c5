"""Builders of `random_files` for operators that compare, slope, move and resize."""

import dataclasses

import numpy as np

from tests.simulate import operator_cases as cases

Value = cases.Value
schema = cases.schema
_integers = cases.models.integers


def _leaky_relu(draw, name):
    source = draw.value(draw.size(60))
    result = draw.value(*source.shape[1:], near=source.scale)
    alpha = draw.one_of(0.01, 0.3, 1.0, 2.5, 0.0, -0.7)
    return [source], result, schema.LeakyReluOptionsT(alpha=alpha)


def _prelu(draw, name):
    source = draw.plane()
    count = draw.one_of(1, source.shape[-1])
    slopes = Value(
        (1, 1, count),
        "int8",
        draw.scale(near=0.01),
        draw.zero_point("int8"),
        data=draw.integers((1, 1, count), "int8"),
    )
    return [source, slopes], draw.value(*source.shape[1:], near=source.scale), None


def _extremum(draw, name):
    source = draw.plane()
    shape = draw.one_of(source.shape[1:], source.shape[-1:], (1, 1, source.shape[-1]))
    other = draw.like(source, *shape)
    other.data = draw.integers(other.shape, draw.dtype)
    inputs = [source, other] if draw.random.integers(2) else [other, source]
    return inputs, draw.like(source, *source.shape[1:]), None


def _transpose(draw, name):
    source = draw.value(*(draw.size(4) for _ in range(draw.size(4))))
    axes = 1 + draw.random.permutation(len(source.shape) - 1)
    result = draw.like(source, *(source.shape[axis] for axis in axes))
    inputs = [source, _integers([0, *axes.tolist()])]
    return inputs, result, schema.TransposeOptionsT()


def _pad_of_a_value(draw, name):
    source = draw.plane()
    pairs = draw.random.integers(0, 3, (4, 2))
    pairs[0] = 0
    sizes = [n + int(sum(p)) for n, p in zip(source.shape, pairs, strict=True)]
    value = draw.like(source)
    value = dataclasses.replace(value, shape=(), data=draw.integers((), draw.dtype))
    inputs = [source, _integers(pairs.tolist()), value]
    return inputs, draw.like(source, *sizes[1:]), schema.PadV2OptionsT()


def _mirror_pad(draw, name):
    source = draw.plane()
    mode = draw.one_of("REFLECT", "SYMMETRIC")
    inner = mode == "REFLECT"
    pairs = [[0, 0]]
    for size in source.shape[1:]:
        most = size - inner + 1
        pairs.append(draw.random.integers(0, max(most, 1), 2).tolist())
    sizes = [n + sum(p) for n, p in zip(source.shape, pairs, strict=True)]
    options = schema.MirrorPadOptionsT(mode=getattr(schema.MirrorPadMode, mode))
    return [source, _integers(pairs)], draw.like(source, *sizes[1:]), options


def _slice(draw, name):
    source = draw.plane()
    begin, size = [0], [1]
    for extent in source.shape[1:]:
        first = int(draw.random.integers(extent))
        begin.append(first)
        size.append(int(draw.random.integers(1, extent - first + 1)))
    inputs = [source, _integers(begin), _integers(size)]
    return inputs, draw.like(source, *size[1:]), schema.SliceOptionsT()


def _strided_slice(draw, name):
    source = draw.plane()
    begin, end, steps, sizes = [0], [1], [1], []
    for extent in source.shape[1:]:
        first = int(draw.random.integers(extent))
        step = draw.one_of(1, 2, -1, -2)
        last = int(draw.random.integers(first + 1, extent + 1)) if step > 0 else -99
        reached = range(first, last if step > 0 else -1, step)
        begin.append(first)
        # From behind, as far as there is: minus the extent is before the first one.
        end.append(last if step > 0 else -extent - 1)
        steps.append(step)
        sizes.append(len(reached))
    inputs = [source, _integers(begin), _integers(end), _integers(steps)]
    return inputs, draw.like(source, *sizes), schema.StridedSliceOptionsT()


def _resize(draw, name):
    source = draw.plane()
    rows, columns = draw.size(12), draw.size(12)
    kind = "ResizeBilinear" if "BILINEAR" in name else "ResizeNearestNeighbor"
    corner, half = draw.one_of((False, False), (True, False), (False, True))
    options = getattr(schema, f"{kind}OptionsT")(
        alignCorners=corner, halfPixelCenters=half
    )
    result = draw.like(source, rows, columns, source.shape[-1])
    return [source, _integers([rows, columns])], result, options


def _position(draw, name):
    source = draw.plane()
    axis = draw.one_of(1, 2, 3, -1)
    shape = np.delete(source.shape, axis).tolist()
    kind = {"ARG_MAX": schema.ArgMaxOptionsT, "ARG_MIN": schema.ArgMinOptionsT}[name]
    options = kind(outputType=schema.TensorType.INT32)
    return [source, _integers(axis)], Value(tuple(shape), "int32", None), options


BUILDERS = {
    "LEAKY_RELU": _leaky_relu,
    "PRELU": _prelu,
    "MINIMUM": _extremum,
    "MAXIMUM": _extremum,
    "TRANSPOSE": _transpose,
    "PADV2": _pad_of_a_value,
    "MIRROR_PAD": _mirror_pad,
    "SLICE": _slice,
    "STRIDED_SLICE": _strided_slice,
    "RESIZE_BILINEAR": _resize,
    "RESIZE_NEAREST_NEIGHBOR": _resize,
    "ARG_MAX": _position,
    "ARG_MIN": _position,
}
