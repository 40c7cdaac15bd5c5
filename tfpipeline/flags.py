"""The flags of the train driver, and the frozen configuration made of them.

Flags stop here: everything below the entry point takes a RunConfig or plain arguments.
"""

import dataclasses
import pathlib
import typing
from typing import Any

from absl import flags

from tfpipeline import errors, number_formats

QUANTIZATIONS = ("qat", "ptq", "none")
# What may differ between two commands that mean the same run.
_NOT_PART_OF_A_RUN = ("workdir", "data_dir")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A run, resolved. Each field is the flag of that name; help texts are below."""

    dataset: str
    data_dir: str | None
    train_limit: int | None
    validation_fraction: float
    model: str
    width: float
    batch_norm: bool | None
    dropout: float | None
    weight_bits: int
    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    learning_rate_schedule: str
    warmup_epochs: float
    learning_rate_milestones: tuple[int, ...]
    learning_rate_decay: float
    momentum: float
    nesterov: bool
    weight_decay: float
    weight_decay_mode: str
    label_smoothing: float
    early_stopping_patience: int
    random_crop: int
    horizontal_flip: bool
    rotation: float
    color_jitter: float
    gaussian_noise: float
    normalize: bool
    quantization: str
    scheme: str
    quantization_policy: str | None
    qat_epochs: int
    qat_optimizer: str
    qat_learning_rate_divisor: float
    qat_learning_rate_schedule: str
    qat_early_stopping_patience: int
    calibration_images: int
    consistency_tolerance: float
    export: tuple[str, ...]
    verification_images: int
    precision: str
    strategy: str
    seed: int
    workdir: str | None

    def __post_init__(self) -> None:
        self._check_widths()
        formats = [each.name for each in number_formats.of_scheme(self.scheme)]
        allowed = (*formats, number_formats.FLOAT)
        unknown = [name for name in self.export if name not in allowed]
        if unknown:
            raise errors.UsageError(
                f"--export takes {', '.join(allowed)} with --scheme={self.scheme}. "
                f"Received: {', '.join(unknown)}"
            )
        integers = [name for name in self.export if name != number_formats.FLOAT]
        if self.quantization == "none" and integers:
            raise errors.UsageError(
                f"--quantization=none has no {integers[0]} network to export; "
                "use --export=float32, or --quantization=ptq"
            )

    @property
    def number_formats(self) -> tuple[number_formats.NumberFormat, ...]:
        """The integer formats that the float network is quantized to, in order."""
        if self.quantization == "none":
            return ()
        formats = number_formats.of_scheme(self.scheme)
        exported = tuple(each for each in formats if each.name in self.export)
        return exported or formats[:1]

    def _check_widths(self) -> None:
        scheme = number_formats.scheme_named(self.scheme)
        if self.weight_bits not in scheme.weight_bits:
            widths = ", ".join(map(str, scheme.weight_bits))
            one_of = "one of " if len(scheme.weight_bits) > 1 else ""
            advice = scheme.weight_bits_advice and f"; {scheme.weight_bits_advice}"
            raise errors.UsageError(
                f"--weight_bits must be {one_of}{widths} with --scheme={scheme.name}"
                f"{advice}. Received: {self.weight_bits}"
            )
        if self.quantization_policy is not None and not scheme.has_policy:
            able = [each.name for each in number_formats.SCHEMES if each.has_policy]
            raise errors.UsageError(
                f"--quantization_policy goes with --scheme={' or '.join(able)} only"
            )
        if scheme.needs_signed_pixels and not self.normalize:
            raise errors.UsageError(
                f"--scheme={scheme.name} needs pixels in [-1, 127/128]: leave "
                "--nonormalize out"
            )

    def identity(self) -> dict[str, Any]:
        """The fields that make a run the same run, as JSON values."""
        fields = dataclasses.asdict(self)
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in fields.items()
            if name not in _NOT_PART_OF_A_RUN
        }


def define(datasets: typing.Sequence[str], models: typing.Sequence[str]) -> None:
    """Defines every flag of the driver; called once, by the entry point.

    Args:
        datasets: names for --dataset.
        models: names for --model.
    """
    _define_data(datasets)
    _define_model(models)
    _define_training()
    _define_augmentation()
    _define_quantization()
    _define_run()


def config_from_flags() -> RunConfig:
    """The parsed flags as a RunConfig.

    Raises:
        UsageError: values that do not go together.
    """
    values: dict[str, Any] = {}
    for field in dataclasses.fields(RunConfig):
        value = getattr(flags.FLAGS, field.name)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    values["learning_rate_milestones"] = _epochs(values["learning_rate_milestones"])
    if not values["export"]:
        quantized = values["quantization"] != "none"
        first = number_formats.of_scheme(values["scheme"])[0]
        values["export"] = (first.name if quantized else number_formats.FLOAT,)
    if values["quantization_policy"] is not None:
        # Its text and not its name is what makes two runs the same.
        values["quantization_policy"] = _text(values["quantization_policy"])
    return RunConfig(**values)


def _schemes() -> str:
    return "; ".join(
        f"{scheme.name}: {scheme.title}, --export="
        + ", ".join(each.name for each in number_formats.of_scheme(scheme.name))
        for scheme in number_formats.SCHEMES
    )


def _exports() -> tuple[str, ...]:
    return (*(each.name for each in number_formats.ALL), number_formats.FLOAT)


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise errors.StorageError(f"cannot read the policy {path}: {error}") from error


def _epochs(texts: tuple[str, ...]) -> tuple[int, ...]:
    try:
        return tuple(int(text) for text in texts)
    except ValueError as error:
        raise errors.UsageError(
            "--learning_rate_milestones takes whole epochs, as in 100,150. "
            f"Received: {','.join(texts)}"
        ) from error


def _define_data(datasets: typing.Sequence[str]) -> None:
    flags.DEFINE_enum(
        "dataset",
        "procedural_objects",
        list(datasets),
        "Data set. The procedural ones need no download.",
    )
    flags.DEFINE_string(
        "data_dir",
        None,
        "Folder of prepared TFDS data sets; nothing is downloaded then.",
    )
    flags.DEFINE_integer(
        "train_limit",
        None,
        "Use only the first N examples of the train split (and N/5 of test): for "
        "trying things out.",
        lower_bound=10,
    )
    flags.DEFINE_float(
        "validation_fraction",
        0.1,
        "Share of the train split kept for validation, chosen by --seed.",
        lower_bound=0.001,
        upper_bound=0.9,
    )


def _define_model(models: typing.Sequence[str]) -> None:
    flags.DEFINE_enum("model", "cmsisnet", list(models), "Network.")
    flags.DEFINE_float(
        "width",
        1.0,
        "Factor on the channels of every layer but the last.",
        lower_bound=0.05,
        upper_bound=8.0,
    )
    flags.DEFINE_bool(
        "batch_norm",
        None,
        "BatchNormalization after each convolution during float training; it is folded "
        "away before quantization. Default: the network's own choice.",
    )
    flags.DEFINE_float(
        "dropout",
        None,
        "Dropout rate of float training. Default: the network's own.",
        lower_bound=0.0,
        upper_bound=0.95,
    )
    flags.DEFINE_integer(
        "weight_bits",
        8,
        "Bits of a weight: 8 with --scheme=int8; 8, 4, 2 or 1 with --scheme=max78000.",
    )


def _define_training() -> None:
    flags.DEFINE_integer("epochs", 50, "Most epochs of float training.", lower_bound=1)
    flags.DEFINE_integer("batch_size", 128, "Images a step.", lower_bound=1)
    flags.DEFINE_enum("optimizer", "adam", ["adam", "sgd"], "Optimizer.")
    flags.DEFINE_float(
        "learning_rate",
        1e-3,
        "Highest learning rate of float training.",
        lower_bound=0.0,
    )
    flags.DEFINE_enum(
        "learning_rate_schedule",
        "constant",
        ["constant", "cosine", "step"],
        "How the learning rate falls over --epochs.",
    )
    flags.DEFINE_float(
        "warmup_epochs", 0.0, "Epochs of linear rise (cosine only).", lower_bound=0.0
    )
    flags.DEFINE_list(
        "learning_rate_milestones",
        [],
        "Epochs at which the step schedule multiplies by --learning_rate_decay.",
    )
    flags.DEFINE_float(
        "learning_rate_decay",
        0.1,
        "Factor of the step schedule.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_float(
        "momentum", 0.9, "Momentum of sgd.", lower_bound=0.0, upper_bound=1.0
    )
    flags.DEFINE_bool("nesterov", False, "Nesterov's form of momentum (sgd).")
    flags.DEFINE_float(
        "weight_decay", 1e-4, "Weight decay of kernels.", lower_bound=0.0
    )
    flags.DEFINE_enum(
        "weight_decay_mode",
        "l2",
        ["l2", "decoupled"],
        "l2: weight_decay x kernel is added to the gradient (PyTorch's Adam and SGD); "
        "decoupled: learning_rate x weight_decay x kernel is subtracted (AdamW).",
    )
    flags.DEFINE_float(
        "label_smoothing",
        0.0,
        "Share of the target spread over all classes.",
        lower_bound=0.0,
        upper_bound=0.9,
    )
    flags.DEFINE_integer(
        "early_stopping_patience",
        10,
        "Stop float training after this many epochs without a lower validation loss; "
        "0: never. The best epoch's weights are used in any case.",
        lower_bound=0,
    )


def _define_augmentation() -> None:
    flags.DEFINE_integer(
        "random_crop",
        0,
        "Shift images by up to this many pixels (reflected border).",
        lower_bound=0,
        upper_bound=64,
    )
    flags.DEFINE_bool("horizontal_flip", False, "Mirror half of the images.")
    flags.DEFINE_float(
        "rotation",
        0.0,
        "Rotate by up to this many degrees.",
        lower_bound=0.0,
        upper_bound=180.0,
    )
    flags.DEFINE_float(
        "color_jitter",
        0.0,
        "Strength of brightness, contrast, saturation changes.",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_float(
        "gaussian_noise",
        0.0,
        "Standard deviation of noise, in units of the pixel range (0.1 in the CIFAR "
        "study).",
        lower_bound=0.0,
        upper_bound=1.0,
    )
    flags.DEFINE_bool(
        "normalize",
        True,
        "Network input (pixel - 128) / 128, in [-1, 127/128]; with --nonormalize "
        "pixel / 256, in [0, 255/256]. The int8 input is pixel - 128 in both.",
    )


def _define_quantization() -> None:
    flags.DEFINE_enum(
        "quantization",
        "qat",
        list(QUANTIZATIONS),
        "qat: quantization-aware training from the best float epoch; ptq: the float "
        "network quantized with calibration images; none.",
    )
    flags.DEFINE_enum(
        "scheme",
        "int8",
        [scheme.name for scheme in number_formats.SCHEMES],
        f"Arithmetic to quantize for. {_schemes()}.",
    )
    flags.DEFINE_string(
        "quantization_policy",
        None,
        "YAML file with weight_bits by layer (--scheme=max78000), instead of "
        "--weight_bits; its start_epoch is the number of float epochs.",
    )
    flags.DEFINE_integer(
        "qat_epochs", 10, "Most epochs of quantization-aware training.", lower_bound=1
    )
    flags.DEFINE_enum(
        "qat_optimizer",
        "same",
        ["same", "adam", "sgd"],
        "Optimizer of QAT; same: that of float training. The network has no "
        "BatchNormalization then, so sgd needs a far lower rate than before.",
    )
    flags.DEFINE_float(
        "qat_learning_rate_divisor",
        10.0,
        "QAT starts with --learning_rate divided by this.",
        lower_bound=1e-3,
    )
    flags.DEFINE_enum(
        "qat_learning_rate_schedule",
        "constant",
        ["constant", "cosine"],
        "How the learning rate falls over --qat_epochs.",
    )
    flags.DEFINE_integer(
        "qat_early_stopping_patience",
        5,
        "Like --early_stopping_patience, for QAT.",
        lower_bound=0,
    )
    flags.DEFINE_integer(
        "calibration_images",
        512,
        "Train images (never validation or test) that set activation ranges.",
        lower_bound=1,
    )
    flags.DEFINE_float(
        "consistency_tolerance",
        0.5,
        "Percentage points by which the accuracy in integers may differ from the "
        "fake-quantized accuracy on the validation split.",
        lower_bound=0.0,
    )


def _define_run() -> None:
    flags.DEFINE_list(
        "export",
        [],
        f"Targets: {', '.join(_exports())}; that of --scheme if not given. Each "
        "integer format is trained for itself, from the same float network.",
    )
    flags.DEFINE_integer(
        "verification_images",
        512,
        "Test images on which TensorFlow Lite Micro itself is run.",
        lower_bound=256,
    )
    flags.DEFINE_enum(
        "precision",
        "auto",
        ["auto", "float32", "bfloat16"],
        "Arithmetic of float training; auto takes bfloat16 where the processor has it. "
        "QAT is always float32.",
    )
    flags.DEFINE_enum(
        "strategy",
        "default",
        ["default", "mirrored", "multi_worker"],
        "tf.distribute strategy; multi_worker reads TF_CONFIG.",
    )
    flags.DEFINE_integer(
        "seed", 0, "Of weights, batch order, augmentation and splits.", lower_bound=0
    )
    flags.DEFINE_string("workdir", None, "Folder of the run; resumed if it holds one.")
    flags.DEFINE_bool("print_config", False, "Print the resolved run and stop.")
