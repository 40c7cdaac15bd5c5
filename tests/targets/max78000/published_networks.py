"""Networks whose figures are published or were computed by the vendor's tool."""

from tests.targets.max78000 import layer_chains
from tfpipeline.targets.max78000 import accelerator_layer

Layers = tuple[accelerator_layer.AcceleratorLayer, ...]

# "Face detection using MAX78000": output channels of the 3x3 convolutions, each but the
# first pooled 2x2, then a linear layer to two classes with a bias. The study shows only
# counts and times; these are the channels that give all of them.
FACENET_CHANNELS = {
    "v1": (4, 8, 16, 32, 32),
    "v2": (8, 16, 32, 64, 64, 64),
    "v3": (8, 16, 32, 64, 64, 64),
    "v6": (4, 4, 4, 8, 16),
    "v7": (1, 2, 4, 8, 16),
}
FACENET_INPUT = (3, (88, 88))


def facenet_steps(version: str) -> tuple[layer_chains.Step, ...]:
    """FaceNet's layers; v3 is v2 with 4-bit weights."""
    bits = 4 if version == "v3" else 8
    convolutions = [
        layer_chains.conv2d(channels, pool=2 if index else 1, weight_bits=bits)
        for index, channels in enumerate(FACENET_CHANNELS[version])
    ]
    head = layer_chains.linear(2, flatten=True, output_width=32, weight_bits=bits)
    return (*convolutions, head)


def facenet(version: str) -> Layers:
    """FaceNet on 88x88 pixels."""
    return layer_chains.chain(*FACENET_INPUT, facenet_steps(version))


def cmsisnet(*, fused: bool) -> Layers:
    """The CIFAR-10 network of CMSIS-NN; its pools in layers of their own, or not."""
    steps = []
    for pooled, channels in enumerate(((32, 32), (32, 32), (64,), (64,))):
        for position, out_channels in enumerate(channels):
            pool = 2 if pooled and not position else 1
            if pool > 1 and not fused:
                steps.append(layer_chains.pooling((2, 2)))
                pool = 1
            steps.append(layer_chains.conv2d(out_channels, pool=pool, bias=True))
    steps.append(layer_chains.linear(10, flatten=True, output_width=32))
    return layer_chains.chain(3, (32, 32), steps)


def nascifarnet(classes: int) -> Layers:
    """The vendor's network that an architecture search found for CIFAR."""
    shapes = (
        *((3, 64, 1), (1, 32, 1), (3, 64, 1), (3, 32, 2), (1, 64, 1), (3, 128, 2)),
        *((1, 128, 1), (3, 64, 2), (3, 128, 1), (1, 128, 2)),
    )
    steps = [
        layer_chains.conv2d(channels, size=size, pool=pool, bias=True)
        for size, channels, pool in shapes
    ]
    head = layer_chains.linear(classes, flatten=True, output_width=32)
    return layer_chains.chain(3, (32, 32), (*steps, head))


def autoencoder() -> Layers:
    """The vendor's autoencoder of motor data: 1-D convolutions and plain linear."""
    steps = [layer_chains.conv1d(128, size=1), layer_chains.conv1d(64, size=3)]
    steps += [
        layer_chains.linear(channels, activation="ReLU", bias=False)
        for channels in (32, 4, 32, 96)
    ]
    steps.append(layer_chains.linear(768, bias=False))
    return layer_chains.chain(256, (3, 1), steps)


def bayer2rgb() -> Layers:
    """The vendor's demosaicing network, with a transposed convolution."""
    steps = (
        layer_chains.conv2d(3, size=1, activation=None),
        layer_chains.conv_transpose2d(3, activation=None),
        layer_chains.conv2d(3, activation=None),
    )
    return layer_chains.chain(4, (45, 45), steps)
