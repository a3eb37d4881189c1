"""Photos under a model's labels: which one a folder means."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from pi_classifier.system.files import read_regular_file
from pi_classifier_training.data.dataset import Photo
from pi_classifier_training.errors import DatasetError

_LARGEST_MAP = 1_000_000
_ARTICLES = ("a ", "an ", "the ")


def match_labels(
    photos: Sequence[Photo],
    labels: Sequence[str],
    model: str,
    names: Mapping[str, str] | None = None,
) -> list[Photo]:
    """Give photos the label of `model` that their folder means.

    A folder's name is taken as `names` says; else as the label that is equal, or equal
    but for capitals, an article, ``_`` and ``-`` for spaces; of a label with several
    names after commas ("tench, Tinca tinca") any will do. Photos whose folder `names`
    gives the empty text are left out. Raises DatasetError naming folder and model.
    """
    counts = Counter(photo.label for photo in photos)
    label_of = {folder: _label_of(folder, labels, model, names or {}, counts) for folder in counts}
    unused = sorted(set(names or {}) - set(counts))
    if unused:
        raise DatasetError(
            f"the map names the folder {unused[0]!r}, but no photos lie in such a folder; "
            f"there are {', '.join(sorted(counts)[:20])}"
        )
    kept = [
        photo
        if label_of[photo.label] == photo.label
        else Photo.of(photo.folder, photo.name, label_of[photo.label], photo.split)
        for photo in photos
        if label_of[photo.label]
    ]
    if not kept:
        raise DatasetError("the map leaves out all photos; keep at least one folder")
    return kept


def _label_of(
    folder: str,
    labels: Sequence[str],
    model: str,
    names: Mapping[str, str],
    counts: Mapping[str, int],
) -> str:
    wanted = names.get(folder, folder)
    if folder in names and not wanted:
        return ""
    # The strictest rule that matches decides: "rose" means "rose" although "Rose" is there too.
    for matches in (_same, _folded, _synonyms):
        matching = sorted({label for label in labels if matches(wanted, label)})
        if len(matching) > 1:
            first, second = matching[:2]
            raise DatasetError(
                f"the folder {folder!r} may mean {first!r} or {second!r} of {model}; say "
                f"which in a file given with --map: {folder} = {first}"
            )
        if matching:
            return matching[0]
    raise DatasetError(
        f"{counts[folder]} photos lie in the folder {folder!r}, and {model} has no label "
        f"{wanted!r}; it knows {_known(wanted, labels)}. Rename the folder, or write a line "
        f"'{folder} = LABEL' into a file given with --map ('{folder} =' leaves it out)"
    )


def _same(folder: str, label: str) -> bool:
    return folder == label


def _folded(folder: str, label: str) -> bool:
    return _plain(folder) == _plain(label)


def _synonyms(folder: str, label: str) -> bool:
    return _plain(folder) in (_plain(name) for name in label.split(","))


def _plain(name: str) -> str:
    name = " ".join(name.casefold().replace("_", " ").replace("-", " ").split())
    for article in _ARTICLES:
        name = name.removeprefix(article)
    return name


def _known(wanted: str, labels: Sequence[str]) -> str:
    """The labels, or of many those spelled most like `wanted`."""
    if len(labels) <= 20:
        return ", ".join(labels)
    near = difflib.get_close_matches(wanted, labels, n=3, cutoff=0.0)
    return f"{len(labels)} labels, such as {', '.join(repr(label) for label in near)}"


def read_map(path: Path) -> dict[str, str]:
    """Read lines ``folder = label``; empty lines and lines from ``#`` on say nothing.

    Raises DatasetError naming the line.
    """
    names: dict[str, str] = {}
    try:
        text = read_regular_file(path, _LARGEST_MAP).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasetError(f"{path}: cannot be read as a text file ({reason})") from error
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        folder, equals, label = (part.strip() for part in line.partition("="))
        if not equals or not folder:
            raise DatasetError(f"{path}: line {number} is {line!r}; expected 'folder = label'")
        if folder in names:
            raise DatasetError(f"{path}: line {number} names the folder {folder!r} again")
        names[folder] = label
    return names
