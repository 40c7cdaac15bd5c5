"""A trained run that is about to be evaluated and exported."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.tflite import trained_outputs
from tfpipeline import number_formats, run_folder
from tfpipeline.compat import keras
from tfpipeline.configs.quantization import Quantization
from tfpipeline.data import splits
from tfpipeline.deploy import choices as choices_lib
from tfpipeline.metadata import model_metadata
from tfpipeline.report import summary
from tfpipeline.report.findings import answers as answers_lib
from tfpipeline.report.findings import evidence
from tfpipeline.tasks import consistency
from tfpipeline.tasks import head as head_lib
from tfpipeline.tasks import kind as kinds
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
        objective: what the network learned.
        calibration: train inputs that set ranges, float32 [N, ...], as the network
            takes them.
        folder: of the run.
        trained: the float network.
        quantized: number format -> the network trained for it; empty without QAT.
        metadata: how the network is fed and what it says.
    """

    network: str
    quantization: Quantization
    choices: choices_lib.Choices
    dataset: splits.Dataset
    objective: kinds.Objective
    calibration: np.ndarray
    folder: run_folder.RunFolder
    trained: kept_stages.Trained
    quantized: Mapping[str, kept_stages.Trained]
    metadata: model_metadata.Metadata | None = None

    @functools.cached_property
    def examples(self) -> dict[str, kinds.Examples]:
        """Split -> what outputs are compared with."""
        return {
            split: self.objective.examples(
                self.inputs[split], getattr(self.dataset, split).targets
            )
            for split in SPLITS
        }

    @functools.cached_property
    def inputs(self) -> dict[str, np.ndarray]:
        """Split -> float32 [N, ...], as the network takes them."""
        real = self.choices.preprocessing.real
        return {split: real(getattr(self.dataset, split).inputs) for split in SPLITS}

    @functools.cached_property
    def answers(self) -> dict[str, evidence.Parts]:
        """Form -> what is kept of its answers on the test split; `row` adds to it."""
        return {}

    @functools.cached_property
    def float_logits(self) -> dict[str, np.ndarray]:
        """Split -> [N, ...] of the float network."""
        return self.logits(self.trained.model)

    def logits(self, model: keras.Model) -> dict[str, np.ndarray]:
        """Split -> [N, ...] of any Keras network."""
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
        """A row of the table of figures.

        Args:
            name: of the network's form.
            outputs: split -> real numbers [N, ...].
            model_bytes: size of its `.tflite`, where there is one.
        """
        module = answers_lib.of_kind(self.objective.kind)
        self.answers[name] = module.kept(
            outputs["test"], self.examples["test"], self.objective
        )
        figures = {
            split: self.objective.measure(values, self.examples[split])
            for split, values in outputs.items()
        }
        return summary.row(name, figures, model_bytes)

    def trained_rows(
        self,
        number_format: number_formats.NumberFormat,
        fake_quantized: dict[str, np.ndarray],
        integers: "ChipOutputs",
    ) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
        """What a network trained for integers that must be exact is measured by.

        Args:
            number_format: of the integers.
            fake_quantized: split -> [N, ...] of the trained network.
            integers: of the target's arithmetic.

        Returns:
            Rows of the table of figures, and how far single outputs of test images are
            from the trained network's; None where the host computes the last function.

        Raises:
            VerificationError: another answer for any image, or outputs that are further
                apart than int8 may be.
        """
        real, step = integers.real, integers.step
        for split in SPLITS:
            consistency.require_same(
                split, real[split], fake_quantized[split], self.objective, step
            )
        agreed = None
        if not integers.ends_on_host:
            agreed = agreement(fake_quantized, integers.integers, step)
        rows = [
            self.row(number_format.fake_quantized, fake_quantized),
            self.row(number_format.qat, real),
        ]
        return rows, agreed


@dataclasses.dataclass(frozen=True, eq=False)
class ChipOutputs:
    """What a chip computes, and what it stands for.

    Attributes:
        integers: split -> [N, outputs].
        step: what one of them is in real numbers; of several outputs, of each value.
        head: of the float network.
        ends_on_host: whether the last function is left to whoever reads the results.
    """

    integers: Mapping[str, np.ndarray]
    step: float | np.ndarray
    head: head_lib.Head
    ends_on_host: bool

    @functools.cached_property
    def real(self) -> dict[str, np.ndarray]:
        """Split -> real outputs of the network, float64 [N, outputs]."""
        values = {split: each * self.step for split, each in self.integers.items()}
        if not self.ends_on_host:
            return values
        return {split: self.head.applied(each) for split, each in values.items()}


def agreement(
    fake_quantized: Mapping[str, np.ndarray],
    integers: Mapping[str, np.ndarray],
    step: float | np.ndarray,
) -> dict[str, Any]:
    """How far a target's outputs are from the trained network's, output by output.

    Args:
        fake_quantized: split -> [N, ...], real numbers.
        integers: split -> [N, outputs] of the target's arithmetic.
        step: what one of them is in real numbers.

    Returns:
        A `trained_outputs.Difference` of test images, for results.json.

    Raises:
        VerificationError: they are further apart than int8 may be.
    """
    total = len(integers["test"])
    count = min(total, trained_outputs.IMAGES)
    chosen = np.arange(count) * total // count
    expected = fake_quantized["test"][chosen].reshape(count, -1)
    steps = integers["test"][chosen] - expected / step
    largest, mean = trained_outputs.LIMITS["int8"]
    found = trained_outputs.within(steps, step, largest=largest, mean=mean)
    return dataclasses.asdict(found)
