"""MLPerf Tiny's networks as float graphs, in their own sizes; ResNet is `resnet8`.

Layers as in the `.tflite` files of mlcommons/tiny: keyword spotting (kws_ref_model),
visual wake words (vww_96_int8), anomaly detection (ad01_int8), streaming wake word
(str_ww_ref_model, of one run over all its frames).
"""

from tests import graph_builder
from tfpipeline.ir import graph


def keyword_spotting():
    """DS-CNN: a convolution, and four pairs of depthwise and pointwise ones."""
    net = graph_builder.Builder((49, 10, 1))
    net.conv(64, (10, 4), stride=2, padding="same")
    for _ in range(4):
        net.depthwise(3, padding="same")
        net.conv(64, 1)
    net.pool((25, 5), kind=graph.AveragePool)
    return _classified(net, 12)


def visual_wake_words(side=96, width=1):
    """MobileNetV1 of a quarter of the channels, times `width`, of a square image."""
    net = graph_builder.Builder((side, side, 3))
    net.conv(8 * width, 3, stride=2, padding="same")
    for channels, stride in (
        *((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2)),
        *[(128, 1)] * 5,
        *((256, 2), (256, 1)),
    ):
        net.depthwise(3, stride=stride, padding="same")
        net.conv(channels * width, 1)
    net.pool(side // 32, kind=graph.AveragePool)
    return _classified(net, 2)


def anomaly_detection():
    """An autoencoder of dense layers."""
    net = graph_builder.Builder((640,))
    for units in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.dense(units, relu=True)
    net.dense(640)
    return net.build()


def streaming_wake_word():
    """Depthwise convolutions over time, and pointwise ones."""
    net = graph_builder.Builder((30, 1, 40))
    for taps, channels in ((3, 128), (5, 128), (10, 128), (15, 32)):
        net.depthwise((taps, 1), padding="valid")
        net.conv(channels, 1)
    return _classified(net, 3)


def _classified(net, classes):
    net.flatten()
    net.dense(classes)
    net.softmax()
    return net.build()


NETWORKS = {
    "keyword spotting": keyword_spotting,
    "visual wake words": visual_wake_words,
    "anomaly detection": anomaly_detection,
    "streaming wake word": streaming_wake_word,
}
