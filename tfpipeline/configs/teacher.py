"""A trained network that another one learns from."""

import dataclasses
import pathlib
from typing import Annotated, Any

from tfpipeline import errors
from tfpipeline.configs import fields
from tfpipeline.configs.fields import Flag
from tfpipeline.data import preprocessing
from tfpipeline.models import forms

# Of a run, relative to its folder: what its float network is stored in.
_FLOAT, _WEIGHTS = "float", "weights.npz"
_KINDS = (forms.Kind.KERAS_FILE, forms.Kind.FUNCTION, forms.Kind.FOLDER)


def find(text: str) -> forms.Form:
    """The teacher that a text names: what has weights.

    Raises:
        UsageError: nothing is there, or it is something else.
    """
    form = forms.find(text)
    if form.kind not in _KINDS:
        raise errors.UsageError(
            f"'{form.title}' is {form.kind.value}, and a teacher must be trained: give "
            "a .keras or .h5 file, file.py:function or the folder of a run"
        )
    if form.kind is forms.Kind.FOLDER and not _weights(form).exists():
        raise errors.UsageError(
            f"'{form.title}' holds no float network ({_FLOAT}/{_WEIGHTS}): give the "
            "folder of a run whose float training is done"
        )
    return form


def _weights(form: forms.Form) -> pathlib.Path:
    return run_stage(form) / _WEIGHTS


def run_stage(form: forms.Form) -> pathlib.Path:
    """The folder of the float network of a run."""
    if form.path is None:
        raise ValueError(f"{form.text} is no folder")
    return form.path / _FLOAT


@dataclasses.dataclass(frozen=True)
class Teacher(fields.Config):
    """The network that teaches, and how much of the loss is what it says."""

    path: Annotated[
        str | None,
        Flag(
            "A trained network to learn from as well (distillation): a .keras or .h5 "
            "file, file.py:function, or the folder of a run, whose float network it "
            "is. It sees each picture as it is stored, resized to its own input.",
            check=find,
            name="teacher",
            is_later=True,
        ),
    ] = None
    input_range: Annotated[
        str,
        Flag(
            "What the teacher takes of pixels, as --input_range. auto: the same as the "
            "network that is trained.",
            check=preprocessing.require_text,
            name="teacher_input_range",
            is_later=True,
        ),
    ] = preprocessing.AUTO
    weight: Annotated[
        float,
        Flag(
            "Share of the loss that is the teacher's; the rest is that of the labels.",
            low=0.0,
            high=1.0,
            name="teacher_weight",
            is_later=True,
        ),
    ] = 0.5

    @property
    def form(self) -> forms.Form | None:
        """What `path` names; None without."""
        return None if self.path is None else find(self.path)

    def source_identity(self) -> dict[str, Any]:
        """What tells the teacher from others wherever it lies, as JSON values."""
        form = self.form
        if form is None:
            return {}
        if form.kind is forms.Kind.FOLDER:
            form = dataclasses.replace(form, path=_weights(form))
            return {"teacher": "a run", "teacher_sha256": form.digest()}
        return {"teacher": form.title, "teacher_sha256": form.digest()}


@dataclasses.dataclass(frozen=True)
class OfClasses(Teacher):
    """A teacher that names the classes."""

    temperature: Annotated[
        float,
        Flag(
            "What the logits of both networks are divided by before they are compared "
            "(Hinton et al., arXiv:1503.02531).",
            low=0.1,
            high=100.0,
            name="teacher_temperature",
            is_later=True,
        ),
    ] = 4.0


@dataclasses.dataclass(frozen=True)
class OfDescriptors(Teacher):
    """A teacher that describes people."""

    cosine_weight: Annotated[
        float,
        Flag(
            "Factor of 1 - cosine between the teacher's descriptor and the network's; "
            "where they have different lengths, a linear layer that is left behind "
            "comes in between.",
            low=0.0,
            name="teacher_cosine_weight",
            is_later=True,
        ),
    ] = 1.0
    distance_weight: Annotated[
        float,
        Flag(
            "Factor of the difference between the distances of all pairs of a batch "
            "(relational distillation, whose authors took 25: arXiv:1904.05068).",
            low=0.0,
            name="teacher_distance_weight",
            is_later=True,
        ),
    ] = 25.0
    unlabeled: Annotated[
        str | None,
        Flag(
            "More pictures for the teacher to describe, of whomever: a folder, read "
            "with all folders in it, or an .npz of one uint8 array [N, H, W, 1 or 3].",
            is_later=True,
        ),
    ] = None
    unlabeled_per_batch: Annotated[
        int, Flag("Of them in a batch.", low=1, is_later=True)
    ] = 64

    def check(self) -> None:
        """Checks that pictures without labels have somebody to describe them."""
        if self.unlabeled is not None and self.path is None:
            raise errors.UsageError("--unlabeled goes with --teacher=FILE")
