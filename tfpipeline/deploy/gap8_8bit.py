"""A trained run in the GAP8's fixed point of 8 bits; see `gap8`."""

from typing import Any

from tfpipeline.deploy import gap8
from tfpipeline.deploy import job as jobs
from tfpipeline.ir import graph
from tfpipeline.report import summary

require_runnable = gap8.require_runnable


def deploy(job: jobs.Job, results: dict[str, Any]) -> graph.Graph:
    """As `gap8.deploy`, in this number format."""
    return gap8.deploy_format(job, results, _FORMAT)


_FORMAT = gap8.Format("gap8_8bit", 8, summary.GAP8_8BIT_ROWS)
