"""Optimizers, learning-rate schedules and the two kinds of weight decay."""

import dataclasses

from tfpipeline import errors
from tfpipeline.compat import keras

OPTIMIZERS = ("adam", "sgd")
SCHEDULES = ("constant", "cosine", "step")
WEIGHT_DECAY_MODES = ("l2", "decoupled")

# Cosine schedules end at this fraction of the learning rate.
_COSINE_END = 0.01


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """How the weights move.

    Attributes:
        name: one of OPTIMIZERS.
        learning_rate: its highest value.
        schedule: one of SCHEDULES, over the stage's epochs.
        warmup_epochs: of a linear rise from 0 (cosine only); may be a fraction.
        milestones: epochs at which `step` multiplies the rate by `decay`.
        decay: that factor.
        momentum: of sgd, Nesterov's form when `nesterov`.
        nesterov: see momentum.
        weight_decay: on kernels (variables of rank 2 and more), never on biases or
            BatchNormalization.
        weight_decay_mode: `l2` adds weight_decay x kernel to the gradient (what
            PyTorch's Adam and SGD do, and so the studies); `decoupled` subtracts
            learning_rate x weight_decay x kernel from the kernel (AdamW).
    """

    name: str = "adam"
    learning_rate: float = 1e-3
    schedule: str = "constant"
    warmup_epochs: float = 0.0
    milestones: tuple[int, ...] = ()
    decay: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    weight_decay_mode: str = "l2"

    def __post_init__(self) -> None:
        for field, choices in (
            ("name", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("weight_decay_mode", WEIGHT_DECAY_MODES),
        ):
            if getattr(self, field) not in choices:
                raise errors.UsageError(
                    f"optimizer {field} must be one of {', '.join(choices)}. "
                    f"Received: {getattr(self, field)}"
                )
        if self.warmup_epochs and self.schedule != "cosine":
            raise errors.UsageError(
                "warmup_epochs works with the cosine schedule only. "
                f"Received: schedule {self.schedule}"
            )
        if self.schedule == "step" and not self.milestones:
            raise errors.UsageError("the step schedule needs milestones (epochs)")

    @property
    def l2(self) -> float:
        """Factor of the kernels that is added to their gradients."""
        return self.weight_decay if self.weight_decay_mode == "l2" else 0.0


def build(
    config: OptimizerConfig,
    *,
    steps_per_epoch: int,
    epochs: int,
    variables: list,
) -> keras.optimizers.Optimizer:
    """The Keras optimizer of `config`, with its variables created.

    The learning rate is a function of the optimizer's own step counter, so restoring
    the optimizer's variables restores the schedule.

    Args:
        config: see OptimizerConfig.
        steps_per_epoch: batches an epoch.
        epochs: length of the schedule.
        variables: the trainable variables.
    """
    rate = _learning_rate(config, steps_per_epoch, epochs)
    decoupled = config.weight_decay if config.weight_decay_mode == "decoupled" else 0.0
    common = {"learning_rate": rate, "weight_decay": decoupled or None}
    if config.name == "adam":
        optimizer = keras.optimizers.Adam(**common)
    else:
        optimizer = keras.optimizers.SGD(
            momentum=config.momentum, nesterov=config.nesterov, **common
        )
    if decoupled:
        optimizer.exclude_from_weight_decay(
            var_list=[variable for variable in variables if not is_kernel(variable)]
        )
    optimizer.build(variables)
    return optimizer


def is_kernel(variable) -> bool:
    """True for the variables that weight decay acts on."""
    return len(variable.shape) >= 2


def _learning_rate(config: OptimizerConfig, steps_per_epoch: int, epochs: int):
    schedules = keras.optimizers.schedules
    if config.schedule == "constant":
        return config.learning_rate
    if config.schedule == "step":
        boundaries = [milestone * steps_per_epoch for milestone in config.milestones]
        values = [
            config.learning_rate * config.decay**index
            for index in range(len(boundaries) + 1)
        ]
        return schedules.PiecewiseConstantDecay(boundaries, values)
    warmup_steps = int(config.warmup_epochs * steps_per_epoch)
    decay_steps = epochs * steps_per_epoch - warmup_steps
    if decay_steps <= 0:
        raise errors.UsageError(
            f"warmup_epochs must be less than the {epochs} epochs of the stage. "
            f"Received: {config.warmup_epochs}"
        )
    if not warmup_steps:
        return schedules.CosineDecay(
            config.learning_rate, decay_steps, alpha=_COSINE_END
        )
    return schedules.CosineDecay(
        0.0,
        decay_steps,
        alpha=_COSINE_END,
        warmup_target=config.learning_rate,
        warmup_steps=warmup_steps,
    )
