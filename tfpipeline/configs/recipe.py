"""How weights are trained, whatever the network learns."""

import dataclasses
from typing import Annotated

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag

# Flags that configs of several programs have, each with a default of its own.
LabelSmoothing = Annotated[
    float,
    Flag(
        "Share of the target spread over all classes (or people; not with arcface).",
        low=0.0,
        high=0.9,
    ),
]
CalibrationImages = Annotated[
    int,
    Flag(
        "Train images (never validation or test, nobody held out) that set ranges.",
        low=1,
    ),
]
QatEpochs = Annotated[
    int,
    Flag("Most epochs of each quantization-aware training.", low=1, name="qat_epochs"),
]
QatLearningRateDivisor = Annotated[
    float,
    Flag(
        "QAT starts with --learning_rate divided by this.",
        low=1e-3,
        name="qat_learning_rate_divisor",
    ),
]
Seed = Annotated[
    int,
    Flag("Of weights, batch order, augmentation and splits.", low=0, group="training"),
]
Strategy = Annotated[
    str,
    Flag(
        "tf.distribute strategy; multi_worker reads TF_CONFIG.",
        choices=("default", "mirrored", "multi_worker"),
        group="training",
    ),
]
Workdir = Annotated[
    str | None, Flag("Folder of the run; resumed if it holds one.", group="output")
]
PrintConfig = Annotated[bool, Flag("Print the resolved run and stop.", group="output")]


def _require_alpha(alpha: float) -> None:
    # Of less, so many draws of a gamma distribution are rounded to zero that shares
    # would be 0 / 0.
    if alpha and not 0.05 <= alpha <= 100:
        raise errors.UsageError(f"must be 0, or from 0.05 to 100; found {alpha:g}")


@dataclasses.dataclass(frozen=True)
class Training(fields.Config):
    """How long, and in which arithmetic."""

    epochs: Annotated[
        int,
        Flag(
            "Most epochs of float training; 0 leaves a network that has weights as it "
            "is.",
            low=0,
        ),
    ] = 50
    patience: Annotated[
        int,
        Flag(
            "Stop float training after this many epochs without a better one on the "
            "validation images; 0: never. The best epoch's weights are used in any "
            "case.",
            low=0,
            name="early_stopping_patience",
        ),
    ] = 10
    precision: Annotated[
        str,
        Flag(
            "Arithmetic of float training; auto takes bfloat16 where the processor has "
            "it. QAT is always float32.",
            choices=("auto", "float32", "bfloat16"),
        ),
    ] = "auto"
    ema_decay: Annotated[
        float,
        Flag(
            "Validation, the best epoch and everything behind it take an average of "
            "the weights over past steps, which keeps this share of itself in a step "
            "(such as 0.999), in float training and in QAT; 0: the weights themselves.",
            low=0.0,
            high=0.999999,
            is_later=True,
        ),
    ] = 0.0
    jit_compile: Annotated[
        bool,
        Flag(
            "XLA compiles each training step to one program: seconds to minutes once, "
            "and on GPUs often faster steps; of one device.",
            is_later=True,
        ),
    ] = False

    def require_one_device(self, strategy: str) -> None:
        """Raises a UsageError where steps are compiled and devices share them."""
        if self.jit_compile and strategy != "default":
            raise errors.UsageError(
                "--jit_compile makes one program of a step, and devices that share it "
                f"would have to meet within: leave it or --strategy={strategy} out"
            )


@dataclasses.dataclass(frozen=True)
class Optimizer(fields.Config):
    """How the weights move.

    Weight decay acts on kernels (variables of rank 2 and more), never on biases or
    BatchNormalization.
    """

    name: Annotated[
        str, Flag("Optimizer.", choices=("adam", "sgd"), name="optimizer")
    ] = "adam"
    learning_rate: Annotated[
        float, Flag("Highest learning rate of float training.", low=0.0)
    ] = 1e-3
    schedule: Annotated[
        str,
        Flag(
            "How the learning rate falls over --epochs.",
            choices=("constant", "cosine", "cosine_restarts", "step"),
            name="learning_rate_schedule",
        ),
    ] = "constant"
    warmup_epochs: Annotated[
        float,
        Flag(
            "Epochs of linear rise, or a part of one (cosine and cosine_restarts).",
            low=0.0,
        ),
    ] = 0.0
    restart_epochs: Annotated[
        float,
        Flag(
            "Epochs of the first fall of cosine_restarts, behind the warm-up; then the "
            "rate is at its highest again.",
            low=1e-3,
            name="learning_rate_restart_epochs",
            is_later=True,
        ),
    ] = 10.0
    restart_factor: Annotated[
        float,
        Flag(
            "Each fall of cosine_restarts takes this many times the epochs of the one "
            "before.",
            low=1.0,
            name="learning_rate_restart_factor",
            is_later=True,
        ),
    ] = 2.0
    milestones: Annotated[
        tuple[int, ...],
        Flag(
            "Epochs at which the step schedule multiplies by --learning_rate_decay.",
            low=0,
            name="learning_rate_milestones",
        ),
    ] = ()
    decay: Annotated[
        float,
        Flag(
            "Factor of the step schedule.",
            low=0.0,
            high=1.0,
            name="learning_rate_decay",
        ),
    ] = 0.1
    momentum: Annotated[float, Flag("Momentum of sgd.", low=0.0, high=1.0)] = 0.9
    nesterov: Annotated[bool, Flag("Nesterov's form of momentum (sgd).")] = False
    weight_decay: Annotated[float, Flag("Weight decay of kernels.", low=0.0)] = 1e-4
    weight_decay_mode: Annotated[
        str,
        Flag(
            "l2: weight_decay x kernel is added to the gradient (PyTorch's Adam and "
            "SGD); decoupled: learning_rate x weight_decay x kernel is subtracted "
            "(AdamW).",
            choices=("l2", "decoupled"),
        ),
    ] = "l2"
    clip_norm: Annotated[
        float,
        Flag(
            "Gradients that are longer, all variables taken together, are shortened to "
            "this length before weight decay; 0: never.",
            low=0.0,
            is_later=True,
        ),
    ] = 0.0

    @property
    def l2(self) -> float:
        """Factor of the kernels that is added to their gradients."""
        return self.weight_decay if self.weight_decay_mode == "l2" else 0.0

    def check(self) -> None:
        """Checks what a schedule needs."""
        if self.warmup_epochs and not self.schedule.startswith("cosine"):
            raise errors.UsageError(
                "--warmup_epochs goes with --learning_rate_schedule=cosine or "
                f"cosine_restarts; found {self.schedule}"
            )
        if self.schedule == "step" and not self.milestones:
            raise errors.UsageError(
                "--learning_rate_schedule=step needs --learning_rate_milestones"
            )

    def require_room(self, epochs: int) -> None:
        """Checks that the learning rate has time to fall after its rise.

        Args:
            epochs: of the stage.

        Raises:
            UsageError: the rise takes all of them.
        """
        if self.warmup_epochs >= epochs:
            raise errors.UsageError(
                f"--warmup_epochs must be less than the {epochs} epochs of the stage; "
                f"found {self.warmup_epochs}"
            )


@dataclasses.dataclass(frozen=True)
class Augmentation(fields.Config):
    """Which random transforms of images run, and how strongly; all off by default.

    Five are those of the CIFAR study (its slide "data augmentation and analysis of its
    impact"; its sixth is normalization, which the images have in any case). RandAugment
    is Cubuk's (arXiv:1909.13719), cutout DeVries and Taylor's (arXiv:1708.04552), mixup
    Zhang's (arXiv:1710.09412), CutMix Yun's (arXiv:1905.04899).
    """

    random_crop: Annotated[
        int,
        Flag(
            "Shift images by up to this many pixels in each direction (reflected "
            "border); 4 is the usual choice for 32x32 images.",
            low=0,
            high=64,
        ),
    ] = 0
    horizontal_flip: Annotated[bool, Flag("Mirror half of the images.")] = False
    rotation: Annotated[
        float,
        Flag(
            "Rotate by up to this many degrees to either side (bilinear, reflected "
            "border).",
            low=0.0,
            high=180.0,
        ),
    ] = 0.0
    color_jitter: Annotated[
        float,
        Flag(
            "Strength of changes of brightness, contrast and, with colors, saturation; "
            "each factor is drawn from [1 - strength, 1 + strength].",
            low=0.0,
            high=1.0,
        ),
    ] = 0.0
    gaussian_noise: Annotated[
        float,
        Flag(
            "Standard deviation of noise, in units of the pixel range (0.1 in the "
            "CIFAR study); the result is clipped to that range.",
            low=0.0,
            high=1.0,
        ),
    ] = 0.0
    rand_augment: Annotated[
        tuple[int, ...],
        Flag(
            "N,M: each image gets N transforms drawn from twelve of geometry and "
            "color, of strength M, 0 to 30 (2,9 is usual).",
            low=0,
            high=30,
            is_later=True,
        ),
    ] = ()
    cutout: Annotated[
        int,
        Flag(
            "Side of a square of middle gray somewhere on each image, in pixels, part "
            "of which may lie outside (8 or 16 for 32x32 images).",
            low=0,
            high=4096,
            is_later=True,
        ),
    ] = 0
    mixup_alpha: Annotated[
        float,
        Flag(
            "Examples are mixed with others of the batch, targets alike, in shares "
            "drawn from Beta(alpha, alpha) (0.2 is usual); tasks with classes or "
            "labels. 0: never.",
            check=_require_alpha,
            is_later=True,
        ),
    ] = 0.0
    cutmix_alpha: Annotated[
        float,
        Flag(
            "As --mixup_alpha, but a rectangle of the other image with that share of "
            "the area is pasted in (1 is usual). With both flags an example is mixed "
            "in one of the two ways, each as often.",
            check=_require_alpha,
            is_later=True,
        ),
    ] = 0.0
    mix_probability: Annotated[
        float,
        Flag(
            "Share of examples that --mixup_alpha and --cutmix_alpha mix.",
            low=0.0,
            high=1.0,
            is_later=True,
        ),
    ] = 1.0

    def check(self) -> None:
        """Checks that RandAugment has its two numbers."""
        given = self.rand_augment
        if given and (len(given) != 2 or not 1 <= given[0] <= 8):
            raise errors.UsageError(
                "--rand_augment takes two numbers, N from 1 to 8 and M from 0 to 30, "
                f"such as 2,9; found {','.join(map(str, given))}"
            )

    @property
    def mixes(self) -> bool:
        """Whether examples are mixed with each other, and so their targets."""
        return bool(self.mixup_alpha or self.cutmix_alpha)

    @property
    def of_pictures(self) -> tuple[str, ...]:
        """Flags that are switched on and need pictures."""
        any_input = ("mixup_alpha", "mix_probability")
        return tuple(
            name
            for name, value in vars(self).items()
            if value and name not in any_input
        )
