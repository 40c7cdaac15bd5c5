"""A graph as the steps that GAP8 runs: layers fused, concatenations in place.

What one kernel of the chip does (AutoTiler's `CNN_ConvolutionPoolReLU` and the demo's
hand-written calls) becomes one step. These are the only rules of fusing: what is priced
and planned, and what `lowering` puts weights on, are the same steps.

* a convolution or linear layer, the activation behind it, and behind a convolution a
  maximum, in either order, where nobody else reads what lies between and one type of
  padding serves both windows. An average is a step of its own;
* an activation behind an average, a maximum or a sum;
* zeros that a Pad layer puts in front of a convolution;
* a maximum or an activation behind a concatenation is computed in each part, in front
  of it: both work on single channels, and either order gives the same integers;
* the parts of a concatenation along the channels are written where they belong
  (`stacks`);
* a ReLU that nothing takes in is a maximum of single pixels with a ReLU;
* a Reshape is no step: the same values. (A flattened CHW tensor has another order than
  a flattened HWC one; the weights behind it are permuted instead.) Neither is a change
  of scale: the chip's formats are its own;
* what stands at the end and only makes the result readable (softmax, the position of
  the largest value) is left to the host.

No integers are needed: a float graph or an outline will do. Nothing is refused here:
what has no kernel becomes a step that breaks one of the `constraints`.
"""

import dataclasses

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import layer_steps, pad_types, stacks, steps

# Kernels that can have a pool behind them.
_POOLED = (steps.CONV, steps.DEPTHWISE)
# Kernels that can have an activation behind them.
_BOUNDED = (
    *steps.WITH_WEIGHTS,
    steps.MAX_POOL,
    steps.AVERAGE_POOL,
    steps.ADD,
    steps.ELEMENT_WISE,
)
# Layers that take zeros around their input.
_PADDED = (graph.Conv1D, graph.Conv2D, graph.DepthwiseConv2D)
# At the end of a network these only make its result readable.
HOST_FUNCTIONS = ("sigmoid", "tanh", "hard_swish")


def fuse(g: graph.Graph, *, pools: bool = True) -> steps.Network:
    """Fuses a well-formed graph.

    Args:
        g: float or quantized, batch normalizations folded.
        pools: `False` leaves each pool a step of its own, to see what fusing is worth.
    """
    fusion = _Fusion(g, pools)
    for layer in g.layers:
        fusion.add(layer)
    return fusion.finish()


class _Fusion:
    """The steps so far; a later layer may still change an earlier step."""

    def __init__(self, g: graph.Graph, pools: bool) -> None:
        self._g = g
        self._pools = pools
        self._steps: list[steps.Step] = []
        # Output -> index of the step that writes it.
        self._writers: dict[str, int] = {}
        # Tensor -> the tensor that it is another name of.
        self._same: dict[str, str] = {}
        # Concatenated tensor -> how.
        self._joins: dict[str, steps.Join] = {}
        # Padded tensor -> the layer that pads, which convolutions take in.
        self._pads: dict[str, graph.Pad] = {}
        self._notes: list[str] = []
        self._shapes = {
            name: steps.chip_shape(tensor.shape) for name, tensor in g.tensors.items()
        }
        # Tensor -> the layers that read it; `None` stands for who runs the network.
        self._readers: dict[str, list[graph.Layer | None]] = {}
        for layer in g.layers:
            for name in layer.inputs:
                self._readers.setdefault(name, []).append(layer)
        for name in g.outputs:
            self._readers.setdefault(name, []).append(None)

    def add(self, layer: graph.Layer) -> None:
        """Makes a step of a layer, or puts it into one that is there."""
        if isinstance(layer, (graph.Reshape, graph.Requantize)):
            self._rename(layer)
        elif self._is_left_to_host(layer):
            self._rename(layer)
            self._notes.append(f"{layer.kind} '{layer.name}' is left to the host")
        elif isinstance(layer, graph.Concat) and self._is_along_channels(layer):
            self._joins[layer.output] = steps.Join(
                name=layer.name,
                parts=tuple(map(self._root, layer.inputs)),
                output=layer.output,
                time=len(self._steps),
            )
        elif isinstance(layer, graph.Pad) and self._is_taken_in(layer):
            self._pads[layer.output] = layer
        elif not self._absorb(layer):
            self._append(layer)

    def finish(self) -> steps.Network:
        """The network, with a place for every tensor."""
        g = self._g
        stacked = stacks.stack(self._joins.values(), self._shapes, g.inputs)
        ordered = stacks.in_order(self._steps, stacked)
        shapes = self._shapes | {step.output: step.result for step in ordered}
        names = dict.fromkeys((*g.inputs, *g.outputs, *stacked.inside, *self._joins))
        names |= dict.fromkeys(self._same)
        for step in ordered:
            names |= dict.fromkeys((*step.inputs, step.output))
        places = {
            name: stacked.place(self._root(name))
            for name in names
            if self._root(name) not in g.constants
        }
        return steps.Network(
            name=g.name,
            steps=ordered,
            inputs=g.inputs,
            outputs=tuple(map(self._root, g.outputs)),
            places=places,
            shapes={name: shapes[self._root(name)] for name in places},
            buffer_elements={
                place.buffer: steps.elements(shapes[place.buffer])
                for place in places.values()
            },
            joins=stacked.joins,
            notes=tuple(self._notes),
        )

    def _root(self, name: str) -> str:
        return self._same.get(name, name)

    def _rename(self, layer: graph.Layer) -> None:
        """Takes a layer's output for another name of its input."""
        root = self._root(layer.inputs[0])
        self._same[layer.output] = root
        is_flattened = self._shapes[root] != self._shapes[layer.output]
        if is_flattened and layer.output in self._g.outputs:
            self._notes.append(f"'{layer.output}' is in the order channel, row, column")

    def _is_left_to_host(self, layer: graph.Layer) -> bool:
        """Whether a layer ends the network and can be computed from its result."""
        is_last = self._readers.get(layer.output) == [None]
        return is_last and (
            isinstance(layer, (graph.Softmax, graph.Position))
            or (
                isinstance(layer, graph.Activation) and layer.function in HOST_FUNCTIONS
            )
        )

    def _is_along_channels(self, layer: graph.Concat) -> bool:
        """Whether parts lie one after another, none of them a constant."""
        last = len(self._g.tensors[layer.output].shape) - 1
        constant = any(self._root(n) in self._g.constants for n in layer.inputs)
        return layer.axis == last and not constant

    def _is_taken_in(self, layer: graph.Pad) -> bool:
        """Whether convolutions alone read what a Pad makes of rows and columns."""
        readers = self._readers.get(layer.output, [])
        is_plane = not any(layer.padding[0]) and not any(layer.padding[-1])
        return is_plane and all(isinstance(reader, _PADDED) for reader in readers)

    def _append(self, layer: graph.Layer) -> None:
        pad = self._pads.get(layer.inputs[0])
        inputs = layer.inputs if pad is None else pad.inputs
        roots = tuple(map(self._root, inputs))
        step = layer_steps.make(self._g, layer, roots, self._shapes)
        if pad is not None:
            assert step.window is not None
            step = dataclasses.replace(
                step,
                layers=(pad, layer),
                window=layer_steps.padded(step.window, pad),
            )
        self._writers[step.output] = len(self._steps)
        self._steps.append(step)

    def _absorb(self, layer: graph.Layer) -> bool:
        """Puts a layer into the steps in front of it where one kernel does both."""
        source = layer.inputs[0]
        if len(self._readers[source]) != 1:
            return False
        if source in self._writers:
            return self._extend(source, layer, layer.output)
        join = self._joins.get(source)
        # An average rounds, so it must see its scale.
        if join is None or not isinstance(layer, (graph.MaxPool, graph.Activation)):
            return False
        parts = join.parts
        if len(set(parts)) < len(parts) or not all(
            part in self._writers
            and len(self._readers[part]) == 1
            and self._extended(part, layer) is not None
            for part in parts
        ):
            return False
        names = tuple(f"{layer.output}/part{number}" for number in range(len(parts)))
        for part, name in zip(parts, names, strict=True):
            self._extend(part, layer, name)
            self._readers[name] = [layer]
        del self._joins[source]
        self._joins[layer.output] = dataclasses.replace(
            join, parts=names, output=layer.output, time=len(self._steps)
        )
        return True

    def _extend(self, name: str, layer: graph.Layer, output: str) -> bool:
        """Lets the step that writes `name` do a layer's work too and write `output`."""
        step = self._extended(name, layer)
        if step is None:
            return False
        index = self._writers.pop(name)
        self._steps[index] = dataclasses.replace(
            step, layers=(*step.layers, layer), output=output
        )
        self._writers[output] = index
        self._shapes[output] = step.result
        return True

    def _extended(self, name: str, layer: graph.Layer) -> steps.Step | None:
        """The step that writes a tensor with a layer's work, if one kernel can."""
        step = self._steps[self._writers[name]]
        if isinstance(layer, graph.Activation):
            is_bound = layer.function in layer_steps.BOUNDS
            is_free = step.activations in ((), (layer.function,))
            if is_bound and is_free and step.operation in _BOUNDED:
                return dataclasses.replace(step, activations=(layer.function,))
        elif isinstance(layer, graph.MaxPool) and self._pools:
            return self._pooled(step, layer)
        return None

    def _pooled(self, step: steps.Step, layer: graph.MaxPool) -> steps.Step | None:
        """A convolution with a maximum behind it, if one kernel does both."""
        bounds = layer_steps.bounds(layer)
        is_free = not bounds or step.activations in ((), bounds)
        if step.operation not in _POOLED or step.pool is not None or not is_free:
            return None
        plane = steps.chip_shape(self._g.tensors[layer.output].shape)[1:]
        pooled = dataclasses.replace(
            step,
            pool=layer_steps.pool(layer),
            result=(step.result[0], *plane),
            activations=step.activations or bounds,
        )
        return pooled if pad_types.possible(pooled) else None
