"""The kinds of findings in a folder of photos, in the order they are told."""

from __future__ import annotations

from pi_classifier_training.data_check.findings import FindingKind
from pi_classifier_training.data_check.photo_probe import TINY_SIDE

_SAVE = "save it again as JPEG or PNG, or remove it (--fix moves it aside)"

KINDS: dict[str, FindingKind] = {
    "one-label": FindingKind(
        "error",
        "there are fewer than two labels",
        "make one sub-folder of photos per label; a classifier needs at least two",
    ),
    "empty-label": FindingKind(
        "error", "label folders without photos", "add photos or remove them"
    ),
    "too-few": FindingKind(
        "error",
        "labels without photos in every split",
        "add photos: every label needs three (frames of one video count as one); 30 or more are "
        "usual",
    ),
    "two-labels": FindingKind(
        "error",
        "the same photo under different labels",
        "keep it under the right one (--fix moves all copies aside: it can't know which)",
    ),
    "copy-across-splits": FindingKind(
        "error",
        "copies of a photo in training and in held-out photos: tests would look too good",
        "keep one (--fix keeps the one in training)",
    ),
    "unreadable": FindingKind(
        "error", "files that cannot be opened", "check permissions and links"
    ),
    "not-an-image": FindingKind(
        "error",
        "files that are no images, despite their ending, or of a kind that is not read (HEIC, "
        "AVIF, JPEG 2000)",
        _SAVE,
    ),
    "damaged": FindingKind("error", "damaged or truncated photos", f"copy it again, {_SAVE}"),
    "too-large": FindingKind("error", "photos that take more than 220 MB of memory", _SAVE),
    "alike-two-labels": FindingKind(
        "warning",
        "near-duplicates under different labels",
        "look at each pair: is one under the wrong label? (--fix leaves them)",
    ),
    "alike-across-splits": FindingKind(
        "warning",
        "near-duplicates in training and in held-out photos: tests look a bit too good",
        "keep one (--fix keeps those in training)",
    ),
    "copy": FindingKind("warning", "copies of a photo", "keep one (--fix does)"),
    "few": FindingKind(
        "warning",
        "labels with fewer than 30 photos, or fewer than 3 to test with",
        "add photos: results will vary a lot",
    ),
    "imbalance": FindingKind(
        "warning",
        "labels with less than a quarter of the photos of the largest",
        "add photos of them: rare labels are recognized less",
    ),
    "no-label": FindingKind(
        "warning",
        "photos outside of any label folder, which will be ignored",
        "move them into the sub-folder of their label",
    ),
    "other-format": FindingKind(
        "warning",
        "photos in a format that will be ignored",
        "save them as JPEG or PNG",
    ),
    "extension": FindingKind(
        "warning",
        "photos whose ending names another format than theirs",
        "rename them (--fix does, keeping the split)",
    ),
    "one-color": FindingKind(
        "warning", "photos that show next to nothing (covered, black, white)", "remove them"
    ),
    "tiny": FindingKind(
        "warning",
        f"photos with a side below {TINY_SIDE} pixels",
        "use larger ones: networks see 96 to 224 pixels",
    ),
    "video": FindingKind(
        "note", "videos, which will be ignored", "cut photos from them: split-video"
    ),
    "alike": FindingKind(
        "note", "near-duplicates in the same split", "no harm, but they teach little new"
    ),
    "folders-within": FindingKind(
        "warning",
        "labels whose photos all lie in further folders",
        "if those are the labels, give the folder around them with --image-dir; if photos of one "
        "of them look alike, say --group-by folder",
    ),
    "turned": FindingKind("note", "photos turned by their EXIF data", "nothing: they are turned"),
    "transparent": FindingKind("note", "photos with transparency", "nothing: it becomes white"),
    "animated": FindingKind("note", "animations", "nothing: their first picture is used"),
    "cmyk": FindingKind(
        "note", "photos in CMYK (for print)", "save as RGB if their colors look odd"
    ),
    "deep": FindingKind(
        "note", "photos with 16 or more bits", "nothing: they are brought to 8 bits"
    ),
    "stated-splits": FindingKind(
        "note",
        "folders that say which photos train, validate and test",
        "nothing: that is how they are used, not by the hash of their names",
    ),
    "ignored": FindingKind("note", "hidden and other files, which will be ignored", "nothing"),
}
