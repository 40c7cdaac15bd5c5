"""The deployments of all number formats."""

from tfpipeline import errors
from tfpipeline.deploy import deployment, gap8, int4, int8, int16x8, max78000

ALL = (
    int8.DEPLOYMENT,
    int16x8.DEPLOYMENT,
    int4.DEPLOYMENT,
    max78000.DEPLOYMENT,
    *gap8.DEPLOYMENTS,
)


def of(number_format: str) -> deployment.Deployment:
    """The deployment of a number format.

    Raises:
        UsageError: the format has none.
    """
    for each in ALL:
        if each.number_format.name == number_format:
            return each
    raise errors.UsageError(f"number format '{number_format}' cannot be deployed")
