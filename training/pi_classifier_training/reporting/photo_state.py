"""The report's look at the photos themselves: how many, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pi_classifier.errors import PiClassifierError
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.data_check.findings import CheckResult
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.progress import with_progress
from pi_classifier_training.reporting.pictures import PhotoGroup, photo_groups
from pi_classifier_training.reporting.subject import Subject

# Beyond so many photos, or bytes of them, checking them all would keep a person waiting: half a
# minute on two processors.
MOST_CHECKED, MOST_CHECKED_BYTES = 10_000, 2_500_000_000


# Findings that are looked at rather than read: which of the photos is the right one?
PICTURED = {
    "two-labels",
    "copy-across-splits",
    "alike-two-labels",
    "alike-across-splits",
    "copy",
    "one-color",
    "tiny",
    "alike",
}


@dataclass(frozen=True, slots=True)
class Photos:
    """Photos of each label for training, validation and test; what the check came upon.

    Where `findings` is None, `unchecked` says why. `groups` are the photos concerned by kind of
    finding, as pictures.
    """

    counts: tuple[tuple[str, int, int, int], ...]
    findings: CheckResult | None
    unchecked: str
    groups: Mapping[str, tuple[PhotoGroup, ...]] = field(default_factory=dict)


def photos(subject: Subject) -> Photos:
    """The photos counted and, unless they are too many, checked."""
    counts = _counts(subject.photos)
    try:
        checked = _checked(subject)
    except (PiClassifierError, ImportError) as error:
        return Photos(counts, None, str(error))
    pictured = [finding for finding in checked.findings if finding.kind in PICTURED]
    groups = {finding.kind: photo_groups(finding, checked) for finding in pictured}
    return Photos(counts, checked, "", groups)


def _checked(subject: Subject) -> CheckResult:
    from pi_classifier_training.data_check.check import check

    photos = subject.photos
    size_bytes = sum(_size_bytes(photo) for photo in photos)
    if len(photos) > MOST_CHECKED or size_bytes > MOST_CHECKED_BYTES:
        raise TrainingError(
            f"looking at {len(photos)} photos of {size_bytes / 1e6:.0f} MB takes long; "
            "'pi-classifier-train check-data' does it"
        )
    return check(
        subject.image_dirs, lambda paths: with_progress("checking photos", paths), subject.rule
    )


def _size_bytes(photo: Photo) -> int:
    try:
        return photo.path.stat().st_size
    except OSError:
        return 0  # the check says what is wrong with it


def _counts(photos: Sequence[Photo]) -> tuple[tuple[str, int, int, int], ...]:
    """Each label with its photos for training, validation and test."""
    counts = Counter((photo.label, photo.split) for photo in photos)
    return tuple(
        (label, counts[label, "training"], counts[label, "validation"], counts[label, "test"])
        for label in sorted({photo.label for photo in photos})
    )
