"""Errors that a user can act on.

Libraries raise one of these; `main` of an entry point prints the message as one line
and exits with a non-zero code (`--debug` shows the traceback instead). A message says
what is wrong, where, and what to do.
"""


class PipelineError(Exception):
    """Base of every error that tfpipeline raises on purpose."""


class UsageError(PipelineError):
    """A flag, an argument or a combination of them is not valid."""


class DataError(PipelineError):
    """A data set is absent, unreadable, or not of the expected shape."""


class TrainingError(PipelineError):
    """Training cannot go on: a loss that is not finite, no usable checkpoint."""


class QuantizationError(PipelineError):
    """A network cannot be quantized by the scheme that was asked for."""


class GraphError(PipelineError):
    """A graph, or the file it is read from, is not well formed or not supported."""


class TargetError(PipelineError):
    """A network does not fit a target, or cannot run there."""


class ExportError(PipelineError):
    """A network cannot be written in the target's format."""


class VerificationError(PipelineError):
    """An exported network does not compute what it must."""


class StorageError(PipelineError):
    """A file cannot be written or read: disk full, permission, truncated."""


class ForeignFileError(StorageError):
    """Something is in the way that this program did not write, and does not replace."""
