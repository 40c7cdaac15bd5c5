"""Networks of runs that are not trained yet, as graphs, for the costs of a search."""

from tfpipeline.configs.run import Run
from tfpipeline.ir import graph
from tfpipeline.jobs import classifier
from tfpipeline.readers import from_keras
from tfpipeline.training import stages


class Graphs:
    """Makes graphs of runs on one data set, which is read once.

    Args:
        base: a run on the data set.

    Raises:
        PipelineError: the data cannot be read, or are for no task.
    """

    def __init__(self, base: Run) -> None:
        stages.set_up_tensorflow(base.seed)
        self._dataset = classifier.load(base)
        objective = classifier.objective_of(base, self._dataset)
        self._outputs = objective.num_outputs
        self.figure = objective.kind.figures[0]

    def of(self, config: Run) -> graph.Graph:
        """The float graph of a run's network, with fresh weights.

        Raises:
            PipelineError: the network cannot be built, or not be read as a graph.
        """
        model = stages.build(config.network, self._dataset, self._outputs)
        return from_keras.read(model, name=config.network.name)

    def layers_with_weights(self, config: Run) -> list[str]:
        """Names of those of a run's network.

        Raises:
            PipelineError: as `of`.
        """
        layers = self.of(config).layers
        return [each.name for each in layers if isinstance(each, graph.Weighted)]
