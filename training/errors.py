"""The errors of the workstation side.

TrainingError
├─ DatasetError    exit 65: the photos
├─ ExportError     exit 70: the model file could not be made or written
└─ ParityError     exit 70: an exported file does not do what its original does
"""

from __future__ import annotations

from pi_classifier.errors import EXIT_DATA, PiClassifierError

EXIT_SOFTWARE = 70


class TrainingError(PiClassifierError):
    """Training, export or evaluation failed."""


class DatasetError(TrainingError):
    """The photos cannot be used as a data set."""

    exit_code = EXIT_DATA


class ExportError(TrainingError):
    """The model file could not be made or written."""

    exit_code = EXIT_SOFTWARE


class ParityError(TrainingError):
    """An exported file does not do what its original does."""

    exit_code = EXIT_SOFTWARE
