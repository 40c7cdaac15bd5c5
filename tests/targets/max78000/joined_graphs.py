"""Random graphs with many readers, of layers that the accelerator has."""

from collections.abc import Callable, Sequence
from typing import Any

from tests import graph_builder
from tfpipeline.ir import graph

Choose = Callable[[Sequence[Any]], Any]

_CHANNELS = (1, 3, 4, 8, 12, 20, 33, 64, 64, 72, 100, 128)
_CLAMPS = (graph.NO_CLAMP, graph.RELU)
_STEPS = ("conv", "conv", "conv", "pool", "sum", "sum", "concat", "transpose")


def build(choose: Choose) -> graph.Graph:
    """A graph of up to nine layers; what no layer reads is an output.

    Not all of them run on the device: filter by what `lowering` says.

    Args:
        choose: picks one of a sequence.
    """
    size, channels = choose((6, 9, 16, 30)), choose((1, 3, 8, 64, 70))
    is_line = choose((False, False, True))
    plane = (4 * size,) if is_line else (size, size + choose((0, 1)))
    net = graph_builder.Builder((*plane, channels))
    data = [net.last]
    for _ in range(choose(range(2, 9))):
        source = choose(data[-3:])
        alike = [name for name in data if net.shape(name) == net.shape(source)]
        step = choose(_STEPS[:-1] if is_line else _STEPS)
        if step == "conv":
            filters = choose((*_CHANNELS, net.shape(source)[-1]))
            net.conv(
                filters,
                choose((1, 3, 5, 9) if is_line else (1, 3)),
                source=source,
                padding=choose(("same", "valid")),
                dilation=choose((1, 1, 2, 5)) if is_line else 1,
                clamp=choose(_CLAMPS),
                bias=choose((False, True)),
            )
        elif step == "pool":
            kind = choose((graph.MaxPool, graph.AveragePool))
            net.pool(choose((2, 3)), stride=choose((1, 2)), kind=kind, source=source)
        elif step == "sum":
            kind = choose((graph.Add, graph.Sub))
            net.join(kind, choose(alike), source=source)
        elif step == "concat":
            net.concat(choose(alike), source=source, axis=len(net.shape(source)) - 1)
        else:
            net.last = source
            net.transposed(choose(_CHANNELS[:7]), cut=(1, 0), relu=False)
        if min(net.shape(net.last)[1:-1]) < 3:
            break
        data.append(net.last)
    shape = net.shape(net.last)
    if choose((True, False)) and min(shape) > 0 and shape[1] < 9:
        net.flatten()
        net.dense(choose((2, 10)))
    read = {name for layer in net.layers for name in layer.inputs}
    unread = [layer.output for layer in net.layers if layer.output not in read]
    return net.build(*unread)
