"""What the network learns."""

import dataclasses
from typing import Annotated

from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.tasks import catalog
from tfpipeline.tasks import kind as kinds

_KINDS = "; ".join(f"{each.name}: {each.title}" for each in catalog.ALL)


@dataclasses.dataclass(frozen=True)
class Task(fields.Config):
    """The kind of task, and what is to be said of it."""

    name: Annotated[
        str,
        Flag(
            f"What the network learns. {_KINDS}. auto: the one that is plain from the "
            "targets of the data and the end of the network.",
            choices=catalog.NAMES,
            name="task",
            is_later=True,
        ),
    ] = catalog.AUTO
    threshold: Annotated[
        float,
        Flag(
            "Probability from which an answer is yes (binary, multi_label).",
            low=0.0,
            high=1.0,
            is_later=True,
        ),
    ] = 0.5
    huber_delta: Annotated[
        float,
        Flag(
            "Regression minimizes Huber's loss, which grows linearly from this "
            "difference on, in the units that are learned; 0: the mean squared error.",
            low=0.0,
            is_later=True,
        ),
    ] = 0.0
    standardize_targets: Annotated[
        bool,
        Flag(
            "Regression learns each target with mean 0 and deviation 1 over the train "
            "split; the exported network gives such values, and figures are in the "
            "targets' own units.",
            is_later=True,
        ),
    ] = False

    box_weight: Annotated[
        float,
        Flag(
            "Of the loss of boxes beside that of scores (detection); 1 as LFFD has it.",
            low=0.0,
            is_later=True,
        ),
    ] = 1.0
    crops_per_picture: Annotated[
        int,
        Flag(
            "Crops that an epoch draws for each train picture, on average (detection).",
            low=1,
            is_later=True,
        ),
    ] = 1

    def require_classes_to_weigh(self) -> None:
        """Raises a UsageError where the task is known and has no classes."""
        if self.name != catalog.AUTO:
            catalog.named(self.name).require_classes_to_weigh()

    def require_targets_to_mix(self) -> None:
        """Raises a UsageError where the task is known and targets have no shares."""
        if self.name != catalog.AUTO:
            catalog.named(self.name).require_targets_to_mix()

    def options(
        self, label_smoothing: float, *, balances_classes: bool = False
    ) -> kinds.Options:
        """As tasks take them."""
        return kinds.Options(
            label_smoothing=label_smoothing,
            threshold=self.threshold,
            huber_delta=self.huber_delta,
            standardizes=self.standardize_targets,
            balances_classes=balances_classes,
            box_weight=self.box_weight,
            crops_per_picture=self.crops_per_picture,
        )
