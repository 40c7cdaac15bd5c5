"""TensorFlow functions that slice, pad, transpose or reduce a Keras tensor."""

from typing import Any

import numpy as np

from tfpipeline.ir import graph
from tfpipeline.readers import draft as draft_lib
from tfpipeline.readers import keras_calls, keras_layers

Draft = draft_lib.Draft
Call = keras_calls.Call


def _argument(call: Call, position: int, name: str, default: Any = None) -> Any:
    """An argument that may be given by position or by name."""
    if position < len(call.arguments):
        return call.arguments[position]
    return call.keywords.get(name, default)


def _source(call: Call, draft: Draft) -> tuple[str, tuple[int, ...]]:
    if len(call.inputs) != 1:
        raise call.error(f"one tensor is expected; found {len(call.inputs)}")
    return call.inputs[0], draft.shape(call.inputs[0])


def _integers(call: Call, value: Any) -> list[int]:
    try:
        return [int(each) for each in np.asarray(value).reshape(-1)]
    except (TypeError, ValueError):
        raise call.error(f"the argument {value!r} must be constant integers") from None


def transpose(call: Call, draft: Draft) -> str:
    """`tf.transpose`."""
    source, shape = _source(call, draft)
    given = _argument(call, 1, "perm")
    order = list(range(len(shape)))[::-1] if given is None else _integers(call, given)
    if sorted(order) != list(range(len(shape))):
        raise call.error(f"perm {order} is no order of {len(shape)} axes")
    result = tuple(shape[axis] for axis in order)
    fields = {"permutation": tuple(order)}
    return draft.add(graph.Transpose, call.name, (source,), result, **fields)


def pad(call: Call, draft: Draft) -> str:
    """`tf.pad`: zeros, another value, or mirrored."""
    source, shape = _source(call, draft)
    values = _integers(call, _argument(call, 1, "paddings"))
    if len(values) != 2 * len(shape):
        raise call.error(f"paddings {values} must be a pair for each of {shape}")
    padding = tuple(zip(values[::2], values[1::2], strict=True))
    result = tuple(n + sum(pair) for n, pair in zip(shape, padding, strict=True))
    mode = str(_argument(call, 2, "mode", "CONSTANT")).lower()
    value = float(_argument(call, 4, "constant_values", 0) or 0)
    fields: dict[str, Any] = {"padding": padding}
    if mode in ("reflect", "symmetric"):
        kind: type[graph.Layer] = graph.MirrorPad
        return draft.add(kind, call.name, (source,), result, **fields, mode=mode)
    if mode != "constant":
        raise call.error(f"mode {mode!r} must be CONSTANT, REFLECT or SYMMETRIC")
    if value:
        inputs = (source, draft.constant(f"{call.name}/value", np.float32(value)))
        return draft.add(graph.PadV2, call.name, inputs, result, **fields)
    return draft.add(graph.Pad, call.name, (source,), result, **fields)


def cut(call: Call, draft: Draft) -> str:
    """`tf.slice`."""
    source, shape = _source(call, draft)
    begin = _integers(call, _argument(call, 1, "begin"))
    size = _integers(call, _argument(call, 2, "size"))
    if not len(begin) == len(size) == len(shape):
        raise call.error(f"begin {begin} and size {size} must be one for each axis")
    axes = zip(shape, begin, size, strict=True)
    result = tuple(n - first if count == -1 else count for n, first, count in axes)
    fields = {"begin": tuple(begin), "size": result}
    return draft.add(graph.Slice, call.name, (source,), result, **fields)


def split(call: Call, draft: Draft) -> tuple[str, ...]:
    """`tf.split`, into equal parts or parts of given sizes."""
    source, shape = _source(call, draft)
    given = _argument(call, 1, "num_or_size_splits")
    axis = _axis(call, _argument(call, 2, "axis", 0), len(shape))
    total = shape[axis]
    sizes = _integers(call, given)
    if np.ndim(given) == 0:
        count = sizes[0]
        sizes = [total // count] * count
    elif sizes.count(-1) == 1:
        rest = total - sum(sizes) - 1
        sizes = [rest if size == -1 else size for size in sizes]
    if min(sizes, default=0) < 1 or sum(sizes) != total:
        raise call.error(f"the parts {sizes} do not make up the {total} of axis {axis}")
    if len(sizes) == 1:
        return (source,)
    shapes = tuple((*shape[:axis], size, *shape[axis + 1 :]) for size in sizes)
    return draft.several(graph.Split, call.name, (source,), shapes, axis=axis)


def unstack(call: Call, draft: Draft) -> tuple[str, ...]:
    """`tf.unstack`."""
    source, shape = _source(call, draft)
    axis = _axis(call, _argument(call, 2, "axis", 0), len(shape))
    shapes = ((*shape[:axis], *shape[axis + 1 :]),) * shape[axis]
    return draft.several(graph.Unpack, call.name, (source,), shapes, axis=axis)


def stack(call: Call, draft: Draft) -> str:
    """`tf.stack` of tensors of one shape."""
    names = []
    for value in _argument(call, 0, "values"):
        if isinstance(value, keras_calls.Reference):
            names.append(value.name)
        else:
            names.append(draft.constant(f"{call.name}/constant", np.asarray(value)))
    shape = draft.shape(names[0])
    axis = _axis(call, _argument(call, 1, "axis", 0), len(shape) + 1)
    result = (*shape[:axis], len(names), *shape[axis:])
    return draft.add(graph.Pack, call.name, tuple(names), result, axis=axis)


def _axis(call: Call, value: Any, rank: int) -> int:
    """From the front; not that of the batch, which a graph has one image of."""
    axis = _integers(call, value)[0] % rank
    if axis == 0:
        raise call.error("axis 0 is that of the batch; take another one")
    return axis


def item(call: Call, draft: Draft) -> str:
    """`x[...]` of slices and integers."""
    source, shape = _source(call, draft)
    given = _argument(call, 1, "slice_spec")
    entries = list(given) if isinstance(given, tuple) else [given]
    if entries.count(Ellipsis) > 1 or None in entries:
        raise call.error("new axes are not supported; use Reshape")
    if Ellipsis in entries:
        at = entries.index(Ellipsis)
        entries[at : at + 1] = [{}] * (len(shape) - len(entries) + 1)
    entries += [{}] * (len(shape) - len(entries))
    begins, sizes, steps, result = [], [], [], []
    for entry, count in zip(entries, shape, strict=True):
        if isinstance(entry, dict):
            bounds = [_bound(call, entry.get(k)) for k in ("start", "stop", "step")]
            taken = range(count)[slice(*bounds)]
            result.append(len(taken))
        else:
            at = _bound(call, entry) or 0
            taken = range(count)[at : at + 1] if at >= 0 else range(count)[at:][:1]
        if not taken:
            raise call.error(f"the slice {given} leaves nothing of {shape}")
        begins.append(taken[0])
        sizes.append(len(taken))
        steps.append(taken.step if len(taken) > 1 else 1)
    return draft.add(
        graph.StridedSlice,
        call.name,
        (source,),
        tuple(result),
        begin=tuple(begins),
        size=tuple(sizes),
        steps=tuple(steps),
    )


def _bound(call: Call, value: Any) -> int | None:
    return None if value is None else _integers(call, value)[0]


def reduction(call: Call, draft: Draft, kind: type[graph.Reduction]) -> str:
    """`tf.reduce_max` and `tf.reduce_min`."""
    source, shape = _source(call, draft)
    given = _argument(call, 1, "axis")
    keeps = bool(_argument(call, 2, "keepdims", default=False))
    listed = range(len(shape)) if given is None else _integers(call, given)
    axes = tuple(sorted({axis % len(shape) for axis in listed}))
    if kind is graph.ReduceMax and len(shape) == 4 and axes == (1, 2):
        return keras_layers.largest_of_plane(call, draft, keeps=keeps)
    sizes = [1 if i in axes else n for i, n in enumerate(shape)]
    result = tuple(n for i, n in enumerate(sizes) if keeps or i not in axes)
    return draft.add(kind, call.name, (source,), result, axes=axes)


def position(call: Call, draft: Draft, kind: type[graph.Position]) -> str:
    """`tf.argmax` and `tf.argmin`; real numbers here, as all of a float graph."""
    source, shape = _source(call, draft)
    (axis,) = _integers(call, _argument(call, 1, "axis") or 0)
    axis %= len(shape)
    result = (*shape[:axis], *shape[axis + 1 :])
    return draft.add(kind, call.name, (source,), result, axis=axis)
