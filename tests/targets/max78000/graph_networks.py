"""The published networks as graphs, their layers named as in `tfpipeline.models`."""

from tests import graph_builder
from tests.targets.max78000 import published_networks
from tfpipeline.ir import graph

Builder = graph_builder.Builder


def facenet(version: str) -> graph.Graph:
    """FaceNet on 88x88 pixels, without biases but in the last layer."""
    net = Builder((88, 88, 3), f"facenet_{version}")
    channels = published_networks.FACENET_CHANNELS[version]
    for index, filters in enumerate(channels, start=1):
        if index > 1:
            net.pool(name=f"pool{index - 1}")
        net.conv(filters, bias=False, name=f"conv{index}")
    return _classified(net, 2)


def cmsisnet() -> graph.Graph:
    """The CIFAR-10 network of the study, with biases."""
    return _sequence(
        "cmsisnet", ((32, 3), (32, 3), 2, (32, 3), (32, 3), 2, (64, 3), 2, (64, 3))
    )


def nascifarnet() -> graph.Graph:
    """The network of the architecture search, with biases."""
    front = ((64, 3), (32, 1), (64, 3), 2, (32, 3), (64, 1), 2, (128, 3), (128, 1), 2)
    return _sequence("nascifarnet", (*front, (64, 3), (128, 3), 2, (128, 1)))


def simplenet() -> graph.Graph:
    """The study's network with a 4x4 pool in front of the last layer."""
    front = ((32, 3), (32, 3), (32, 3), 2, (32, 3), 2, (64, 3), (128, 3), 2)
    return _sequence("simplenet", (*front, (256, 3), 4))


def keywords(two_dimensional: bool = False) -> graph.Graph:
    """The vendor's network for spoken words, with Conv1D or as TFLite spells it."""
    net = Builder((1, 128, 128) if two_dimensional else (128, 128), "keywords")

    def size(length: int) -> object:
        return (1, length) if two_dimensional else length

    def pads(count: int) -> tuple[tuple[int, int], ...]:
        ends = ((count, count),)
        return ((0, 0), *ends) if two_dimensional else ends

    pool = None
    for filters, length, pad in (
        (100, 1, 0),
        (96, 3, 0),
        (64, 3, 1),
        (48, 3, 0),
        (64, 3, 1),
        (96, 3, 0),
        (100, 3, 1),
        (64, 6, 1),
    ):
        if pad:
            pool = graph.AveragePool if filters == 100 else graph.MaxPool
            net.pool(size(2), kind=pool)
        net.conv(filters, size(length), padding=pads(pad), bias=False)
    net.flatten()
    net.dense(21, bias=False)
    return net.build()


def ressimplenet() -> graph.Graph:
    """The vendor's residual network for CIFAR-100; its last sum is pooled."""
    net = Builder((32, 32, 3), "ressimplenet")

    def conv(filters: int, size: int = 3, *, pool: bool = False) -> str:
        if pool:
            net.pool()
        return net.conv(filters, size, bias=False)

    conv(16)
    source = conv(20)
    net.join(graph.Add, conv(20), source=source)
    conv(20)
    source = conv(20, pool=True)
    net.join(graph.Add, conv(20), source=source)
    conv(44)
    source = conv(48, pool=True)
    net.join(graph.Add, conv(48), source=source)
    conv(96, pool=True)
    conv(512, 1, pool=True)
    conv(128, 1)
    conv(128, pool=True)
    net.conv(100, 1, bias=False, clamp=graph.NO_CLAMP)
    return net.build()


def branches() -> graph.Graph:
    """Two branches side by side, and what the host does."""
    net = Builder((8, 8, 3), "branches")
    left, right = net.conv(8), net.conv(8, 1, source="input")
    net.concat(right, source=left)
    net.conv(8, clamp=graph.NO_CLAMP)
    net.activation("relu")
    net.mean()
    net.dense(10)
    net.softmax()
    return net.build()


ALL = {
    **{
        f"facenet_{version}": lambda version=version: facenet(version)
        for version in published_networks.FACENET_CHANNELS
    },
    "cmsisnet": cmsisnet,
    "nascifarnet": nascifarnet,
    "simplenet": simplenet,
    "keywords": keywords,
    "ressimplenet": ressimplenet,
    "branches": branches,
}


def _sequence(name: str, steps: tuple[int | tuple[int, int], ...]) -> graph.Graph:
    """A CIFAR-10 network of (filters, kernel size) and sizes of pools."""
    net = Builder((32, 32, 3), name)
    convolutions = pools = 0
    for step in steps:
        if isinstance(step, int):
            pools += 1
            net.pool(step, name=f"pool{pools}")
        else:
            convolutions += 1
            net.conv(*step, name=f"conv{convolutions}")
    return _classified(net, 10)


def _classified(net: Builder, classes: int) -> graph.Graph:
    net.flatten(name="flatten")
    net.dense(classes, name="logits")
    return net.build()
