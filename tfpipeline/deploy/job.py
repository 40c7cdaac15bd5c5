"""A trained run that is about to be evaluated and exported."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.tflite import trained_outputs
from tfpipeline import errors, number_formats, run_folder
from tfpipeline.compat import keras
from tfpipeline.configs.quantization import Quantization
from tfpipeline.data import splits
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.report import summary
from tfpipeline.training import evaluation, kept_stages

# The test split is read here for the first time, with every choice made.
SPLITS = ("validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Job:
    """What deploying needs of a run.

    Attributes:
        network: its name.
        quantization: what is done with it.
        choices: of the run.
        dataset: of the run.
        calibration: train inputs that set ranges, float32 [N, ...], as the network
            takes them.
        folder: of the run.
        trained: the float network.
        quantized: number format -> the network trained for it; empty without QAT.
    """

    network: str
    quantization: Quantization
    choices: choices_lib.Choices
    dataset: splits.Dataset
    calibration: np.ndarray
    folder: run_folder.RunFolder
    trained: kept_stages.Trained
    quantized: Mapping[str, kept_stages.Trained]

    @functools.cached_property
    def labels(self) -> dict[str, np.ndarray]:
        """Split -> targets, [N] of classes."""
        return {split: getattr(self.dataset, split).targets for split in SPLITS}

    @functools.cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """Split -> float32 [N, ...], as the network takes them."""
        real = self.choices.preprocessing.real
        return {split: real(getattr(self.dataset, split).inputs) for split in SPLITS}

    @functools.cached_property
    def float_logits(self) -> dict[str, np.ndarray]:
        """Split -> [N, classes] of the float network."""
        return self.logits(self.trained.model)

    def logits(self, model: keras.Model) -> dict[str, np.ndarray]:
        """Split -> [N, classes] of any Keras network."""
        forward = evaluation.forward_function(model)
        return {
            split: evaluation.logits(
                forward,
                getattr(self.dataset, split).inputs,
                self.choices.preprocessing,
            )
            for split in SPLITS
        }

    def row(
        self,
        name: str,
        outputs: dict[str, np.ndarray],
        model_bytes: int | None = None,
    ) -> dict[str, Any]:
        """A row of the accuracy table."""
        return summary.accuracy_row(name, outputs, self.labels, model_bytes)

    def trained_rows(
        self,
        number_format: number_formats.NumberFormat,
        fake_quantized: dict[str, np.ndarray],
        integers: dict[str, np.ndarray],
    ) -> list[dict[str, Any]]:
        """Rows of a network trained for integers that must be exact.

        Args:
            number_format: of the integers.
            fake_quantized: split -> [N, classes] of the trained network.
            integers: likewise, of the target's arithmetic.

        Raises:
            VerificationError: another class for any image.
        """
        for split in SPLITS:
            _require_same_classes(split, integers[split], fake_quantized[split])
        return [
            self.row(number_format.fake_quantized, fake_quantized),
            self.row(number_format.qat, integers),
        ]


def agreement(
    fake_quantized: dict[str, np.ndarray],
    integers: dict[str, np.ndarray],
    step: float,
) -> dict[str, Any]:
    """How far a target's outputs are from the trained network's, output by output.

    Args:
        fake_quantized: split -> [N, classes], real numbers.
        integers: likewise, of the target's arithmetic.
        step: what one of them is in real numbers.

    Returns:
        A `trained_outputs.Difference` of test images, for results.json.

    Raises:
        VerificationError: they are further apart than int8 may be.
    """
    total = len(integers["test"])
    count = min(total, trained_outputs.IMAGES)
    chosen = np.arange(count) * total // count
    steps = integers["test"][chosen] - fake_quantized["test"][chosen] / step
    largest, mean = trained_outputs.LIMITS["int8"]
    found = trained_outputs.within(steps, step, largest=largest, mean=mean)
    return dataclasses.asdict(found)


def _require_same_classes(
    split: str, integers: np.ndarray, fake_quantized: np.ndarray
) -> None:
    """Checks that integers predict what the fake-quantized network does.

    Args:
        split: for the message.
        integers: [N, classes].
        fake_quantized: likewise.

    Raises:
        VerificationError: another class for any image.
    """
    different = np.flatnonzero(integers.argmax(-1) != fake_quantized.argmax(-1))
    if len(different):
        raise errors.VerificationError(
            f"the integer network predicts another class than the fake-quantized one "
            f"for {len(different)} of {len(integers)} {split} images, first for image "
            f"{different[0]}: this is a defect, please report it"
        )
