"""The errors of the workstation side.

TrainingError      exit 78: what was asked for cannot be had of these files
├─ DatasetError    exit 65: the photos
├─ CacheError      exit 74: the folder in which bottlenecks are kept
├─ ClusterError    exit 74: the machines that were to help
├─ ExportError     exit 78: the model file cannot be made of what was given
└─ ParityError     exit 70: an exported file does not do what its original does
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Self

from pi_classifier.errors import EXIT_BUG, EXIT_CONFIG, EXIT_DATA, EXIT_SYSTEM, PiClassifierError

EXIT_UNAVAILABLE = 69  # of sysexits.h: a package that is not installed


class TrainingError(PiClassifierError):
    """Training, export or evaluation failed."""

    # Not 1, by which --fail-if-worse says that a model is worse.
    exit_code = EXIT_CONFIG


class DatasetError(TrainingError):
    """The photos cannot be used as a data set."""

    exit_code = EXIT_DATA


class CacheError(TrainingError):
    """The folder in which bottlenecks are kept cannot be used."""

    exit_code = EXIT_SYSTEM

    @classmethod
    def of(cls, folder: Path, error: OSError) -> Self:
        """The error with what failed and what to do about it."""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        fix = "free some space, name" if full else "make it writable, name"
        return cls(
            f"{folder}: bottlenecks cannot be kept there ({error.strerror}); {fix} another "
            "folder with --cache-dir, or keep none with --cache-dir none"
        )


class ClusterError(TrainingError):
    """The machines of a cluster do not do what they are asked."""

    exit_code = EXIT_SYSTEM


class ExportError(TrainingError):
    """The model file cannot be made of what was given."""


class ParityError(TrainingError):
    """An exported file does not do what its original does."""

    exit_code = EXIT_BUG
