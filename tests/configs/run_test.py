"""What a run refuses before anything of it is read."""

import pytest

from tfpipeline import errors
from tfpipeline.configs import recipe
from tfpipeline.configs.network import Network
from tfpipeline.configs.run import Run
from tfpipeline.configs.task import Task
from tfpipeline.models import specs
from tfpipeline.tasks import catalog

DETECTORS = [
    name for name, each in specs.MODELS.items() if each.output is specs.Output.BOXES
]
OTHERS = [each.name for each in catalog.ALL if not each.reads_boxes]


@pytest.mark.parametrize("task", OTHERS)
@pytest.mark.parametrize("model", DETECTORS)
def test_a_detector_is_refused_for_what_has_no_boxes(model, task):
    with pytest.raises(errors.UsageError, match="train it with --task=detection"):
        Run(network=Network(model=model), task=Task(name=task))


@pytest.mark.parametrize("task", ["detection", catalog.AUTO])
@pytest.mark.parametrize("model", DETECTORS)
def test_a_detector_is_trained_for_boxes(model, task):
    assert Run(network=Network(model=model), task=Task(name=task)).task.may_read_boxes


def test_compiled_steps_are_of_one_device():
    compiled = recipe.Training(jit_compile=True)
    assert Run(training=compiled).training.jit_compile
    with pytest.raises(errors.UsageError, match="leave it or --strategy=mirrored out"):
        Run(training=compiled, strategy="mirrored")
