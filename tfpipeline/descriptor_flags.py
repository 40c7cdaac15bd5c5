"""The flags of train_descriptor, and the frozen configuration made of them."""

import dataclasses
import typing
from typing import Any

from absl import flags

from tfpipeline import descriptor_training_flags as training_flags
from tfpipeline import errors

# What may differ between two commands that mean the same run.
_NOT_PART_OF_A_RUN = (
    *("workdir", "data_dir", "pairs"),
    # Of a trained network, at any later time.
    *("evaluate", "max_false_accept_rate"),
    # Of stages behind the float network, which keep them by themselves.
    *("qat_epochs", "qat_learning_rate_divisor"),
)
# Flags that earlier runs did not have, and what those runs did. With these values they
# are no part of what makes a run the same, so that such runs can be resumed.
_ADDED = {"early_stopping_patience": 0, "precision": "float32", "strategy": "default"}


@dataclasses.dataclass(frozen=True)
class DescriptorConfig:
    """A run, resolved. Each field is the flag of that name; help texts are below."""

    dataset: str
    data_dir: str | None
    pairs: str | None
    image_side: int
    photographs: int
    test_folds: tuple[int, ...]
    validation_folds: tuple[int, ...]
    min_images: int
    model: str
    width: float
    batch_norm: bool | None
    dropout: float | None
    people_per_batch: int
    images_per_person: int
    groups_per_person: int
    epochs: int
    loss: str
    lifted_weight: float
    lifted_margin: float
    label_smoothing: float
    arcface_scale: float
    arcface_margin: float
    arcface_warmup_epochs: int
    optimizer: str
    learning_rate: float
    learning_rate_schedule: str
    warmup_epochs: float
    weight_decay: float
    weight_decay_mode: str
    random_crop: int
    horizontal_flip: bool
    rotation: float
    color_jitter: float
    gaussian_noise: float
    early_stopping_patience: int
    precision: str
    strategy: str
    calibration_images: int
    qat_epochs: int
    qat_learning_rate_divisor: float
    seed: int
    evaluate: tuple[str, ...]
    max_false_accept_rate: float
    workdir: str | None

    def __post_init__(self) -> None:
        both = sorted(set(self.test_folds) & set(self.validation_folds))
        if both:
            raise errors.UsageError(
                "--test_folds and --validation_folds must share none. "
                f"Received in both: {', '.join(map(str, both))}"
            )
        if not self.test_folds:
            raise errors.UsageError("--test_folds must name at least one fold")
        if len(self.test_folds) == 1 and not self.validation_folds:
            raise errors.UsageError(
                "--test_folds of a single fold needs --validation_folds, which its "
                "threshold is chosen on"
            )
        if self.early_stopping_patience and not self.validation_folds:
            raise errors.UsageError(
                "--early_stopping_patience needs --validation_folds, which say whether "
                "an epoch is better than those before it"
            )

    @property
    def held_out(self) -> tuple[int, ...]:
        """Folds that training must know nobody of."""
        return (*self.test_folds, *self.validation_folds)

    def identity(self) -> dict[str, Any]:
        """The fields that make a run the same run, as JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
            if name not in _NOT_PART_OF_A_RUN
            and not (name in _ADDED and value == _ADDED[name])
        }

    def qat_identity(self) -> dict[str, Any]:
        """What else makes a quantization-aware stage the same, as JSON values."""
        return {
            "qat_epochs": self.qat_epochs,
            "qat_learning_rate_divisor": self.qat_learning_rate_divisor,
        }


def define(
    datasets: typing.Sequence[str],
    models: typing.Sequence[str],
    losses: typing.Sequence[str],
    forms: typing.Sequence[str],
    values: flags.FlagValues = flags.FLAGS,
) -> None:
    """Defines every flag; called once, by the entry point.

    Args:
        datasets: names for --dataset.
        models: names for --model.
        losses: names for --loss.
        forms: names for --evaluate, the first of them the default.
        values: what the flags are added to.
    """
    _define_data(values, datasets)
    _define_network(values, models)
    training_flags.define(values, losses)
    _define_run(values, forms)


def config_from_flags(values: flags.FlagValues = flags.FLAGS) -> DescriptorConfig:
    """The parsed flags as a DescriptorConfig.

    Raises:
        UsageError: values that do not go together.
    """
    fields: dict[str, Any] = {}
    for field in dataclasses.fields(DescriptorConfig):
        value = getattr(values, field.name)
        fields[field.name] = tuple(value) if isinstance(value, list) else value
    for name in ("test_folds", "validation_folds"):
        fields[name] = _folds(name, fields[name])
    return DescriptorConfig(**fields)


def _folds(name: str, texts: tuple[str, ...]) -> tuple[int, ...]:
    if not all(text.isascii() and text.isdigit() for text in texts):
        raise errors.UsageError(
            f"--{name} takes numbers of folds counted from 0, as in 0,1,2. "
            f"Received: {','.join(texts)}"
        )
    return tuple(sorted({int(text) for text in texts}))


def _define_data(values: flags.FlagValues, datasets: typing.Sequence[str]) -> None:
    flags.DEFINE_enum(
        "dataset",
        "procedural_faces",
        list(datasets),
        "Photographs and pairs. The procedural ones need no download.",
        flag_values=values,
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of prepared TFDS data sets (--dataset=lfw).",
        flag_values=values,
    )
    flags.DEFINE_string(
        "pairs", None, "The file pairs.txt (--dataset=lfw).", flag_values=values
    )
    flags.DEFINE_integer(
        "image_side",
        128,
        "Side of the network's square input; smaller divisors of 128 for quick runs.",
        lower_bound=31,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "photographs",
        12,
        "Of each made-up person (--dataset=procedural_faces).",
        lower_bound=2,
        flag_values=values,
    )
    flags.DEFINE_list(
        "test_folds",
        ["0", "1", "2", "3", "4"],
        "Folds to test on, counted from 0; training leaves out everyone in them.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "validation_folds",
        [],
        "Folds, left out of training as well, that choose the best epoch and the "
        "threshold. If not given, the last epoch is taken, and the threshold of a test "
        "fold is chosen on the other test folds.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "min_images",
        2,
        "Train on people with at least this many photographs.",
        lower_bound=1,
        flag_values=values,
    )


def _define_network(values: flags.FlagValues, models: typing.Sequence[str]) -> None:
    flags.DEFINE_enum(
        "model", "reid_squeezenet", list(models), "Network.", flag_values=values
    )
    flags.DEFINE_float(
        "width",
        1.0,
        "Factor on the channels of every layer but the last.",
        lower_bound=0.05,
        upper_bound=8.0,
        flag_values=values,
    )
    flags.DEFINE_bool(
        "batch_norm",
        None,
        "BatchNormalization after each convolution during training; it is folded away "
        "afterwards. Default: the network's own choice.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "dropout",
        None,
        "Dropout rate. Default: the network's own.",
        lower_bound=0.0,
        upper_bound=0.95,
        flag_values=values,
    )


def _define_run(values: flags.FlagValues, forms: typing.Sequence[str]) -> None:
    flags.DEFINE_integer(
        "calibration_images",
        256,
        "Train images (of nobody in a held-out fold) that set ranges for quantization.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "qat_epochs",
        5,
        "Epochs of quantization-aware training, for each form that is evaluated in it.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_float(
        "qat_learning_rate_divisor",
        10.0,
        "Its learning rate is --learning_rate divided by this.",
        lower_bound=1e-3,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "seed",
        0,
        "Of weights, batch order and augmentation.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_multi_enum(
        "evaluate",
        [forms[0]],
        list(forms),
        "Form of the network to verify; may be given several times, and again for a "
        "finished run.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "max_false_accept_rate",
        0.01,
        "The threshold for tfpipeline.identify accepts at most this share of the pairs "
        "of two people that it is chosen on.",
        lower_bound=0.0,
        upper_bound=1.0,
        flag_values=values,
    )
    flags.DEFINE_string(
        "workdir",
        None,
        "Folder of the run; resumed if it holds one.",
        flag_values=values,
    )
    flags.DEFINE_bool(
        "print_config", False, "Print the resolved run and stop.", flag_values=values
    )
