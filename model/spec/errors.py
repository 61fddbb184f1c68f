"""Every error that this project raises on purpose.

CDMTError
├── SchemaError          the description of a table contradicts itself or names what is not there
├── DataError            a table does not match its schema, or cannot be read
│   └── TableTooLarge    the memory has no room for it
├── ExportError          a cohort cannot be written in the wanted form
├── RatioError           label ratios that a schema cannot satisfy
├── GuidanceError        guidance for a label or category that the model does not have
├── TrainingError        training cannot start or go on
│   └── NonFiniteLoss    the loss became NaN or infinite
├── SamplingError        stays cannot be drawn as asked, or came out with values that are not finite
├── CheckpointError      a stored model is incomplete, altered or of an unknown format
└── Cancelled            somebody asked the work to stop
    └── Interrupted      the process must end; the work shall go on, or begin anew, in another

Messages name the column, label or file at fault. They never quote a patient's value.
"""

from __future__ import annotations


class CDMTError(Exception):
    """Base of the tree; catch it at the edge and show its message."""


class SchemaError(CDMTError):
    """A schema contradicts itself, or names something that does not exist."""


class DataError(CDMTError):
    """A table cannot be read or does not match its schema; `column` says where, if it is one column."""

    def __init__(self, message: str, *, column: str | None = None) -> None:
        super().__init__(message)
        self.column = column


class TableTooLarge(DataError):
    """To read a table would take more memory than there is."""


class ExportError(CDMTError):
    """A cohort cannot be written in the form that is asked for."""


class RatioError(CDMTError):
    """Label ratios name an unknown label or category, or do not sum to 1."""


class GuidanceError(CDMTError):
    """A guidance scale names a label or a category that the model does not have."""


class TrainingError(CDMTError):
    """Training cannot start or go on."""


class NonFiniteLoss(TrainingError):
    """The loss became NaN or infinite at optimiser step `step`."""

    def __init__(self, step: int) -> None:
        super().__init__(
            f"the training loss became NaN or infinite at step {step}; "
            "lower the learning rate or look for extreme values in the data"
        )
        self.step = step


class SamplingError(CDMTError):
    """Stays cannot be drawn as they were asked for, or came out with values that are not finite."""


class CheckpointError(CDMTError):
    """A stored model is incomplete, altered or of an unknown format."""


class Cancelled(CDMTError):
    """Somebody asked the work to stop, and it did."""


class Interrupted(Cancelled):
    """The process must end. Raised by a cancel check; what has been reached may be kept for whoever goes on."""
