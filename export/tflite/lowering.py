"""A graph in the layers that TFLite has operators for."""

import dataclasses

import numpy as np

from tfpipeline.ir import geometry, graph
from tfpipeline.numerics import affine

# Clamps that an operator of TFLite can carry: ActivationFunctionType of schema.fbs.
FUSED = (graph.NO_CLAMP, graph.RELU, graph.Clamp(-1.0, 1.0), graph.RELU6)

# Clamps that it has as operators of their own only.
_SEPARATE = {graph.Clamp(0.0, 1.0): "relu_0_to_1"}

_Convolution = graph.Conv2D | graph.DepthwiseConv2D
_Clamped = graph.Weighted | graph.Pool | graph.Elementwise
Windowed = graph.Conv2D | graph.DepthwiseConv2D | graph.TransposeConv2D | graph.Pool


def lower(g: graph.Graph) -> graph.Graph:
    """Rewrites what TFLite says in several operators; all else stays as it is.

    * A `Conv1D`, and a pool along one axis, become their kind for images of one row
      between two reshapes.
    * Padding of a convolution that is neither TensorFlow's "SAME" nor none becomes a
      `Pad` in front of it, of zero points, which add nothing to the sums.
    * A clamp to 0..1 becomes an `Activation`.
    * A `DepthwiseConv2D` and an integer `Conv2D` without a bias get one of zeros, which
      TFLite's kernels read whether it is there or not, and a bias without a scale that
      of the sums, which it is compared with.

    Args:
        g: a verified graph.

    Returns:
        A graph that computes the same values; `g` itself where nothing is to be done.
    """
    draft = _Draft(g)
    for layer in g.layers:
        draft.add(layer)
    if tuple(draft.layers) == g.layers and draft.tensors == dict(g.tensors):
        return g
    lowered = dataclasses.replace(g, layers=tuple(draft.layers))
    used = set(graph.tensor_names(lowered))
    return dataclasses.replace(
        lowered,
        tensors={name: t for name, t in draft.tensors.items() if name in used},
        constants={name: c for name, c in draft.constants.items() if name in used},
    )


def named_padding(g: graph.Graph, layer: Windowed) -> str | None:
    """The name "SAME" or "VALID" of a layer's padding; `None` where it has neither."""
    if not any(map(any, layer.padding)):
        return "VALID"
    if isinstance(layer, graph.Pool):
        kernel = layer.kernel_size
    else:
        kernel = g.tensors[layer.weights].shape[1:-1]
    if isinstance(layer, graph.TransposeConv2D):
        return _transposed_padding(g, layer, kernel)
    plane = g.tensors[layer.inputs[0]].shape[1:-1]
    dilation = getattr(layer, "dilation", (1,) * len(kernel))
    same = geometry.same_padding(plane, kernel, layer.strides, dilation)
    return "SAME" if layer.padding == same else None


def _transposed_padding(
    g: graph.Graph, layer: graph.TransposeConv2D, kernel: tuple[int, ...]
) -> str | None:
    """A convolution from the output to the input defines the padding at the start.

    What stands at the end follows from the sizes.
    """
    source, result = (g.tensors[n].shape[1:3] for n in (layer.inputs[0], layer.output))
    starts = tuple(before for before, _ in layer.padding)
    same = geometry.same_padding(result, kernel, layer.strides, (1, 1))
    axes = list(zip(result, kernel, layer.strides, strict=True))
    if starts == tuple(before for before, _ in same) and source == tuple(
        -(-size // stride) for size, _, stride in axes
    ):
        return "SAME"
    strided = tuple(-((taps - 1 - size) // stride) for size, taps, stride in axes)
    return "VALID" if starts == (0, 0) and source == strided else None


class _Draft:
    """The tensors, constants and layers of the graph that is being made."""

    def __init__(self, g: graph.Graph):
        self.tensors = dict(g.tensors)
        self.constants = dict(g.constants)
        self.layers: list[graph.Layer] = []
        self._graph = g

    def add(self, layer: graph.Layer) -> None:
        """Adds `layer`, or those that it is in TFLite."""
        if isinstance(layer, graph.Conv1D):
            self._add_row(layer, self._convolution_of_row(layer))
        elif isinstance(layer, graph.Pool) and len(layer.padding) == 1:
            self._add_row(layer, _pool_of_row(layer))
        elif isinstance(layer, _Clamped) and layer.clamp in _SEPARATE:
            inner = self._like(layer.output, "unclamped")
            self.add(dataclasses.replace(layer, output=inner, clamp=graph.NO_CLAMP))
            self.layers.append(
                graph.Activation(
                    name=self._layer_name(layer, "clamp"),
                    inputs=(inner,),
                    output=layer.output,
                    function=_SEPARATE[layer.clamp],
                )
            )
        elif isinstance(layer, _Convolution) and self._needs_pad(layer):
            self._add_padded(layer)
        else:
            self._append(layer)

    def _append(self, layer: graph.Layer) -> None:
        if isinstance(layer, graph.Weighted):
            layer = self._with_bias(layer)
        self.layers.append(layer)

    def _with_bias(self, layer: graph.Weighted) -> graph.Weighted:
        source, kernel = self.tensors[layer.inputs[0]], self.tensors[layer.weights]
        if layer.bias is not None:
            bias = self.tensors[layer.bias]
            quant = bias.quant or _sum_quant(source, kernel, bias.dtype)
            self.tensors[layer.bias] = dataclasses.replace(bias, quant=quant)
            return layer
        is_float = source.dtype == "float32"
        # TFLite's own depthwise kernels crash without one, where XNNPACK is not asked
        # or, of integers, does not take such a layer.
        needing = (graph.DepthwiseConv2D,)
        if not isinstance(layer, needing if is_float else (*needing, graph.Conv2D)):
            return layer
        dtype, quant = source.dtype, None
        if not is_float:
            dtype = affine.bias_type(np.iinfo(source.dtype).bits)
            quant = _sum_quant(source, kernel, dtype)
        shape = self.tensors[layer.output].shape[-1:]
        name = self._add(graph.Tensor(f"{layer.output}/bias", shape, dtype, quant))
        self.constants[name] = np.zeros(shape, dtype)
        return dataclasses.replace(layer, bias=name)

    def _needs_pad(self, layer: _Convolution) -> bool:
        # A graph of the tensors so far: what is lowered may have been lowered before.
        g = dataclasses.replace(self._graph, tensors=self.tensors)
        return named_padding(g, layer) is None

    def _add_padded(self, layer: _Convolution) -> None:
        source = self.tensors[layer.inputs[0]]
        pairs = ((0, 0), *layer.padding, (0, 0))
        sizes = zip(source.shape, pairs, strict=True)
        shape = tuple(size + sum(pair) for size, pair in sizes)
        padded = self._like(layer.inputs[0], f"padded_for_{layer.name}", shape)
        self.layers.append(
            graph.Pad(
                name=self._layer_name(layer, "pad"),
                inputs=layer.inputs,
                output=padded,
                padding=pairs,
            )
        )
        inner = dataclasses.replace(
            layer, inputs=(padded,), padding=((0, 0),) * len(layer.padding)
        )
        self._append(inner)

    def _add_row(
        self, layer: graph.Conv1D | graph.Pool, inner: graph.Conv2D | graph.Pool
    ) -> None:
        """Adds the planar `inner` of `layer` between reshapes to one row and back."""
        source = self._row(layer.inputs[0], f"row_for_{layer.name}")
        result = self._row(layer.output, "row")
        self.layers.append(
            graph.Reshape(
                name=self._layer_name(layer, "expand"),
                inputs=layer.inputs,
                output=source,
            )
        )
        self.add(dataclasses.replace(inner, inputs=(source,), output=result))
        self.layers.append(
            graph.Reshape(
                name=self._layer_name(layer, "squeeze"),
                inputs=(result,),
                output=layer.output,
            )
        )

    def _convolution_of_row(self, layer: graph.Conv1D) -> graph.Conv2D:
        weights = self._row(layer.weights, "row")
        array = self.constants[layer.weights]
        self.constants[weights] = array.reshape(self.tensors[weights].shape)
        return graph.Conv2D(
            name=layer.name,
            inputs=layer.inputs,
            output=layer.output,
            weights=weights,
            bias=layer.bias,
            clamp=layer.clamp,
            strides=(1, *layer.strides),
            padding=((0, 0), *layer.padding),
            dilation=(1, *layer.dilation),
        )

    def _row(self, name: str, suffix: str) -> str:
        first, *rest = self.tensors[name].shape
        return self._like(name, suffix, (first, 1, *rest))

    def _like(
        self, name: str, suffix: str, shape: tuple[int, ...] | None = None
    ) -> str:
        """A tensor of the same type and scale; its name."""
        tensor = self.tensors[name]
        shape = tensor.shape if shape is None else shape
        new = dataclasses.replace(tensor, name=f"{name}/{suffix}", shape=shape)
        return self._add(new)

    def _add(self, tensor: graph.Tensor) -> str:
        """Adds a tensor, by a longer name where its own is taken; returns the name."""
        name = tensor.name
        while name in self.tensors:
            name += "_"
        self.tensors[name] = dataclasses.replace(tensor, name=name)
        return name

    def _layer_name(self, layer: graph.Layer, suffix: str) -> str:
        taken = {each.name for each in (*self._graph.layers, *self.layers)}
        name = f"{layer.name}_{suffix}"
        while name in taken:
            name += "_"
        return name


def _pool_of_row(layer: graph.Pool) -> graph.Pool:
    return dataclasses.replace(
        layer,
        kernel_size=(1, *layer.kernel_size),
        strides=(1, *layer.strides),
        padding=((0, 0), *layer.padding),
    )


def _sum_quant(
    source: graph.Tensor, kernel: graph.Tensor, dtype: str
) -> graph.QuantParams | None:
    """The scale of sums of `dtype`: the input's times the kernel's."""
    if source.quant is None or kernel.quant is None:
        return None
    sums = affine.of_sums(source.quant.scale[0], kernel.quant.scale)
    return sums.stored(np.iinfo(dtype).bits, 0)
