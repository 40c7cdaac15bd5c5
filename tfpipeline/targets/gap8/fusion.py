"""A graph as the steps that GAP8 runs: layers fused, concatenations in place.

What one kernel of the chip does (AutoTiler's `CNN_ConvolutionPoolReLU` and the demo's
hand-written calls) becomes one step:

* a convolution or linear layer, the activation behind it, and the pool behind that, in
  either order, where nobody else reads what lies between. A pool over the whole plane
  stays a step of its own, as in the demo;
* zeros that a Pad layer puts in front of a convolution;
* a maximum or an activation behind a concatenation is computed in each part, in front
  of it: both work on single channels, and either order gives the same integers;
* a change of scale goes into the layer in front of it;
* the parts of a concatenation along the channels are written where they belong: in CHW
  they lie one after another. Only a tensor that has its place already, or that the
  network is given, is copied;
* a Reshape is no step: the same values. (A flattened CHW tensor has another order than
  a flattened HWC one; the weights behind it are permuted instead.)

No integers are needed: a float graph or an outline will do.
"""

import dataclasses

from tfpipeline.ir import graph
from tfpipeline.targets.gap8 import layer_steps, steps

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


@dataclasses.dataclass
class _Join:
    """A concatenation in the making: its parts, and after how many steps it stands."""

    parts: tuple[str, ...]
    time: int


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
        self._joins: dict[str, _Join] = {}
        # Padded tensor -> the layer that pads, which convolutions take in.
        self._pads: dict[str, graph.Pad] = {}
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
        if isinstance(layer, graph.Reshape):
            self._same[layer.output] = self._root(layer.inputs[0])
        elif isinstance(layer, graph.Concat) and self._is_along_channels(layer):
            parts = tuple(map(self._root, layer.inputs))
            self._joins[layer.output] = _Join(parts, len(self._steps))
        elif isinstance(layer, graph.Pad) and self._is_taken_in(layer):
            self._pads[layer.output] = layer
        elif not self._absorb(layer):
            self._append(layer)

    def finish(self) -> steps.Network:
        """The network, with a place for every tensor."""
        inside: dict[str, steps.Place] = {}
        copies: dict[int, list[steps.Step]] = {}
        for whole, join in self._joins.items():
            offset = 0
            for number, part in enumerate(join.parts):
                name = part
                if part in inside or not self._is_computed(part):
                    name = f"{whole}/part{number}"
                    self._shapes[name] = self._shapes[part]
                    copy = self._copy(whole, part, name)
                    copies.setdefault(join.time, []).append(copy)
                inside[name] = steps.Place(whole, offset)
                offset += steps.elements(self._shapes[part])
        made = list(copies.get(0, ()))
        for time, step in enumerate(self._steps, start=1):
            made += [step, *copies.get(time, ())]
        return self._network(tuple(made), inside)

    def _network(
        self, made: tuple[steps.Step, ...], inside: dict[str, steps.Place]
    ) -> steps.Network:
        g = self._g
        names = dict.fromkeys((*g.inputs, *g.outputs, *inside, *self._joins))
        names |= dict.fromkeys(self._same)
        for step in made:
            names |= dict.fromkeys((*step.inputs, step.output))
        places = {
            name: _outermost(self._root(name), inside)
            for name in names
            if self._root(name) not in g.constants
        }
        buffers = dict.fromkeys(place.buffer for place in places.values())
        return steps.Network(
            name=g.name,
            steps=made,
            inputs=g.inputs,
            outputs=g.outputs,
            places=places,
            shapes={name: self._shapes[self._root(name)] for name in places},
            buffer_elements={
                name: steps.elements(self._shapes[name]) for name in buffers
            },
        )

    def _root(self, name: str) -> str:
        return self._same.get(name, name)

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

    def _is_computed(self, name: str) -> bool:
        return name in self._joins or name in self._writers

    def _append(self, layer: graph.Layer) -> None:
        pad = self._pads.get(layer.inputs[0])
        inputs = layer.inputs if pad is None else pad.inputs
        roots = tuple(map(self._root, inputs))
        step = layer_steps.make(self._g, layer, inputs)
        step = dataclasses.replace(
            step, inputs=tuple(n for n in roots if n not in self._g.constants)
        )
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
            if not self._takes(source, layer):
                return False
            self._extend(source, layer, layer.output)
            return True
        join = self._joins.get(source)
        # An average rounds, so it must see its scale; a Requantize speaks of the whole.
        if join is None or not isinstance(layer, (graph.MaxPool, graph.Activation)):
            return False
        parts = join.parts
        if len(set(parts)) < len(parts) or not all(
            part in self._writers
            and len(self._readers[part]) == 1
            and self._takes(part, layer)
            for part in parts
        ):
            return False
        names = tuple(f"{layer.output}/part{number}" for number in range(len(parts)))
        for part, name in zip(parts, names, strict=True):
            self._extend(part, layer, name)
            self._readers[name] = [layer]
        del self._joins[source]
        self._joins[layer.output] = _Join(names, len(self._steps))
        return True

    def _takes(self, name: str, layer: graph.Layer) -> bool:
        """Whether the step that writes a tensor can do the layer's work as well."""
        step = self._steps[self._writers[name]]
        if isinstance(layer, graph.Requantize):
            return step.operation in _BOUNDED
        if isinstance(layer, graph.Activation):
            is_bound = layer.function in layer_steps.BOUNDS
            return is_bound and step.operation in _BOUNDED and not step.activations
        if isinstance(layer, graph.Pool):
            window = layer_steps.pool(layer).window
            return (
                self._pools
                and step.operation in _POOLED
                and step.pool is None
                and not (step.activations and layer.clamp != graph.NO_CLAMP)
                and not layer_steps.covers(window, step.result)
            )
        return False

    def _extend(self, name: str, layer: graph.Layer, output: str) -> None:
        """Puts a layer into the step that writes `name`, which writes `output` now."""
        index = self._writers.pop(name)
        step = self._steps[index]
        changes: dict[str, object] = {"layers": (*step.layers, layer), "output": output}
        if isinstance(layer, graph.Activation):
            changes["activations"] = (layer.function,)
        elif isinstance(layer, graph.Pool):
            plane = steps.chip_shape(self._g.tensors[layer.output].shape)[1:]
            changes["pool"] = layer_steps.pool(layer)
            changes["result"] = (step.result[0], *plane)
            changes["activations"] = step.activations or layer_steps.bounds(layer)
        self._steps[index] = dataclasses.replace(step, **changes)  # type: ignore[arg-type]
        self._writers[output] = index
        self._shapes[output] = self._steps[index].result

    def _copy(self, whole: str, part: str, name: str) -> steps.Step:
        """The copy of a tensor to its place in a concatenation."""
        [layer] = [each for each in self._g.layers if each.output == whole]
        shape = self._shapes[part]
        return steps.Step(
            name=name,
            operation=steps.COPY,
            layers=(layer,),
            inputs=(part,),
            output=name,
            source=shape,
            body=shape,
            result=shape,
        )


def _outermost(name: str, inside: dict[str, steps.Place]) -> steps.Place:
    """The buffer that a tensor lies in, through concatenations of concatenations."""
    place = steps.Place(name, 0)
    while place.buffer in inside:
        outer = inside[place.buffer]
        place = steps.Place(outer.buffer, outer.offset + place.offset)
    return place
