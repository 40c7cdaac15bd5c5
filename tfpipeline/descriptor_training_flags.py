"""Flags of train_descriptor about the training itself, for descriptor_flags."""

import typing

from absl import flags


def define(values: flags.FlagValues, losses: typing.Sequence[str]) -> None:
    """Defines them.

    Args:
        values: what the flags are added to.
        losses: names for --loss, the first of them the default.
    """
    _define_batches(values)
    _define_devices(values)
    _define_loss(values, losses)
    _define_optimizer(values)
    _define_augmentation(values)


def _define_batches(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "people_per_batch",
        16,
        "Different people in a batch.",
        lower_bound=2,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "images_per_person",
        4,
        "Photographs of each of them.",
        lower_bound=2,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "groups_per_person",
        8,
        "An epoch has at most this many groups of --images_per_person photographs of "
        "one person.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "epochs", 40, "Most epochs of training.", lower_bound=1, flag_values=values
    )
    flags.DEFINE_integer(
        "early_stopping_patience",
        0,
        "Stop training, in float or quantization-aware, after this many epochs without "
        "a higher accuracy on --validation_folds; 0: never.",
        lower_bound=0,
        flag_values=values,
    )


def _define_devices(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "precision",
        "float32",
        ["auto", "float32", "bfloat16"],
        "Arithmetic of float training; auto takes bfloat16 where the processor has it. "
        "Quantization-aware training is always float32.",
        flag_values=values,
    )
    flags.DEFINE_enum(
        "strategy",
        "default",
        ["default", "mirrored", "multi_worker"],
        "tf.distribute strategy; multi_worker reads TF_CONFIG. Each device has the "
        "pairs of its share of --people_per_batch.",
        flag_values=values,
    )


def _define_loss(values: flags.FlagValues, losses: typing.Sequence[str]) -> None:
    flags.DEFINE_enum(
        "loss",
        losses[0],
        list(losses),
        "lifted: cross entropy and the lifted structured loss; cross_entropy: that "
        "alone; arcface: cross entropy of cosines with an angular margin.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "lifted_weight",
        1.0,
        "Factor of the lifted structured loss.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "lifted_margin",
        1.0,
        "Its margin, as a distance.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "label_smoothing",
        0.0,
        "Share of the target spread over all people; not with arcface.",
        lower_bound=0.0,
        upper_bound=0.9,
        flag_values=values,
    )
    flags.DEFINE_float(
        "arcface_scale",
        32.0,
        "Factor of the cosines.",
        lower_bound=1e-3,
        flag_values=values,
    )
    flags.DEFINE_float(
        "arcface_margin",
        0.5,
        "Angular margin, radians.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "arcface_warmup_epochs",
        5,
        "Epochs without margin, and as many in which it grows.",
        lower_bound=0,
        flag_values=values,
    )


def _define_optimizer(values: flags.FlagValues) -> None:
    flags.DEFINE_enum(
        "optimizer", "adam", ["adam", "sgd"], "Optimizer.", flag_values=values
    )
    flags.DEFINE_float(
        "learning_rate",
        1e-3,
        "Highest learning rate.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "learning_rate_schedule",
        "cosine",
        ["constant", "cosine"],
        "How the learning rate falls over --epochs.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "warmup_epochs",
        0.0,
        "Epochs of linear rise (cosine only).",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "weight_decay",
        1e-4,
        "Weight decay of kernels.",
        lower_bound=0.0,
        flag_values=values,
    )
    flags.DEFINE_enum(
        "weight_decay_mode",
        "decoupled",
        ["l2", "decoupled"],
        "l2: weight_decay x kernel is added to the gradient; decoupled: learning_rate "
        "x weight_decay x kernel is subtracted.",
        flag_values=values,
    )


def _define_augmentation(values: flags.FlagValues) -> None:
    flags.DEFINE_integer(
        "random_crop",
        0,
        "Shift images by up to this many pixels (reflected border).",
        lower_bound=0,
        upper_bound=64,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "horizontal_flip", False, "Mirror half of the images.", flag_values=values
    )
    flags.DEFINE_float(
        "rotation",
        0.0,
        "Rotate by up to this many degrees.",
        lower_bound=0.0,
        upper_bound=180.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "color_jitter",
        0.0,
        "Strength of brightness and contrast changes.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
    flags.DEFINE_float(
        "gaussian_noise",
        0.0,
        "Standard deviation of noise, in units of the pixel range.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
