"""The vendor's own networks that stream or write over what they have read, as graphs.

Their layers are those of ai8x-synthesis ab4f4c0, networks/*.yaml, and the sizes those
of its trained checkpoints or, where it has none, of its models (ai8x-training 2cab474).
"""

from tests import graph_builder
from tfpipeline.ir import graph
from tfpipeline.targets.max78000 import policy
from tfpipeline.targets.max78000 import spec as specs

Builder = graph_builder.Builder


def cats_dogs() -> graph.Graph:
    """networks/cats-dogs-hwc.yaml."""
    net = Builder((128, 128, 3), "cats_dogs")
    net.conv(16, bias=False)
    for channels in (32, 64, 32, 32):
        net.pool()
        net.conv(channels, bias=False)
    net.conv(16, bias=False)
    net.flatten()
    net.dense(2)
    return net.build()


def faceid() -> graph.Graph:
    """networks/faceid.yaml; its last pool is a layer of its own."""
    net = Builder((160, 120, 3), "faceid")
    net.conv(16, bias=False)
    for channels in (32, 32, 64, 64):
        net.pool()
        net.conv(channels, bias=False)
    net.conv(64, bias=False)
    net.conv(64, bias=False)
    net.pool()
    net.conv(512, 1, bias=False, clamp=graph.NO_CLAMP)
    net.pool((5, 3), stride=1, kind=graph.AveragePool)
    return net.build()


def faceid_112() -> graph.Graph:
    """networks/ai85-faceid_112.yaml; `FACEID_112_BITS` go with it."""
    net = Builder((112, 112, 3), "faceid_112")
    plain = {"clamp": graph.NO_CLAMP}
    net.conv(32, bias=False, name="pre_stage")
    net.pool()
    before = net.conv(32, bias=False, name="pre_stage_2")
    for stage, (middle, channels) in enumerate(
        ((64, 48), (192, 64), (128, 64), (256, 96), (192, 128))
    ):
        net.conv(middle, 1, bias=False, name=f"stage_{stage}_conv1")
        if stage in (0, 1, 3):
            net.pool()
        net.conv(channels, **plain, name=f"stage_{stage}_conv2")
        if stage == 2:
            net.join(graph.Add, before)
        before = net.last
    net.conv(128, 1, bias=False, name="post_stage")
    net.conv(128, bias=False, **plain, name="pre_avg")
    net.pool(7, stride=1, kind=graph.AveragePool)
    net.conv(128, 1, bias=False, **plain, name="fakepass")
    net.dense(64, bias=False, name="linear")
    return net.build()


# ai8x-training 2cab474, policies/qat_policy_faceid_112.yaml.
FACEID_112_BITS = policy.Policy(
    weight_bits=4,
    overrides={
        "pre_stage": 8,
        "pre_stage_2": 8,
        "stage_1_conv2": 2,
        "stage_2_conv2": 2,
        "stage_4_conv2": 2,
        "linear": 8,
    },
)


def facedet() -> graph.Graph:
    """networks/ai85-facedet-tinierssd.yaml: four results."""
    net = Builder((224, 168, 3), "facedet")
    net.pool()
    net.conv(16, bias=False)
    net.pool()
    net.conv(32, bias=False)
    for channels in (64, 64, 64, 64, 128, 32):
        net.conv(channels)
    net.pool()
    middle = net.conv(32)
    net.pool()
    net.conv(32)
    net.conv(16)
    net.pool()
    last = net.conv(16)
    plain = {"clamp": graph.NO_CLAMP}
    results = [
        net.conv(channels, source=source, **plain)
        for channels in (8, 4)
        for source in (middle, last)
    ]
    return net.build(*results)


def camvid(*, size: int = 88) -> graph.Graph:
    """networks/camvid-unet-large.yaml, on the folded input."""
    net = Builder((size, size, 48), "camvid")
    plain = {"clamp": graph.NO_CLAMP}
    up = {"cut": (1, 0), "relu": False}
    for channels in (64, 64, 32):
        net.conv(channels, 1)
    first = net.conv(8)
    net.pool()
    second = net.conv(28)
    net.pool()
    third = net.conv(56)
    net.pool()
    net.conv(112)
    for channels, beside in ((56, third), (28, second), (8, first)):
        raised = net.transposed(channels, **up)
        net.concat(beside, source=raised)
        net.conv(48 if channels == 8 else channels)
    net.conv(64)
    net.conv(64, 1)
    net.conv(64, 1)
    net.conv(64, 1, **plain)
    net.conv(64, 1, **plain)
    return net.build()


def mobilefacenet() -> graph.Graph:
    """networks/ai87-mobilefacenet-112.yaml, for the MAX78002."""
    net = Builder((112, 112, 3), "mobilefacenet")
    plain = {"clamp": graph.NO_CLAMP, "bias": False}
    net.conv(64, bias=False)
    net.pool()
    net.depthwise()
    stages = ((5, 64, 2), (1, 128, 4), (6, 128, 2), (1, 128, 4), (2, 128, 2))
    for stage, (count, channels, factor) in enumerate(stages):
        for number in range(count):
            before = net.last
            net.conv(net.shape()[-1] * factor, 1, bias=False)
            halves = number == 0 and stage in (0, 1, 3)
            if halves:
                net.pool()
            net.depthwise(bias=1.0 if number % 2 == 0 else False)
            net.conv(channels, 1, **plain)
            if not halves:
                net.join(graph.Add, before)
    net.conv(128, 1, bias=False)
    net.pool(7, stride=1, kind=graph.AveragePool)
    net.conv(64, 1, **plain)
    return net.build()


NETWORKS = {
    network.__name__: network
    for network in (cats_dogs, faceid, faceid_112, facedet, camvid, mobilefacenet)
}
BITS = {"faceid_112": FACEID_112_BITS}


def spec(name: str) -> specs.Spec:
    """The device that a network is for."""
    return specs.MAX78002 if name == "mobilefacenet" else specs.MAX78000
