"""Which photos train, which choose between trainings, and which only test: the rule."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

from pi_classifier.errors import ConfigError
from pi_classifier.setting import setting

Split = Literal["training", "validation", "test"]
SPLITS: tuple[Split, ...] = ("training", "validation", "test")

# Frames of one video are named NAME@video-TIME.jpg, or NAME@video-SPLIT-TIME.jpg, and belong
# to one split: they look alike.
VIDEO_MARKER = "@video-"
_USUAL_PERCENT = 10.0
# The rest trains.
_MOST_HELD_OUT = 90.0
_REGEX = "regex:"
# A few characters of a pattern may try more ways than anybody waits for, and the pattern may be
# one that a stranger's model file states: this process could not stop matching, a child can be.
_MATCHING_S = 10
_MATCHING = """
import json, re, resource, sys
pattern, names, limit_s = json.load(sys.stdin)
resource.setrlimit(resource.RLIMIT_CPU, (limit_s, limit_s))
matches = map(re.compile(pattern).search, names)
json.dump([match[1] if match else None for match in matches], sys.stdout)
"""
# How a file says that it was split before photos were cut at exact shares.
_EARLIER_RULE = "sha256 of the file name:"

# What other programs call the folders of a data set that is split already.
_FOLDERS: dict[str, Split] = {
    "train": "training", "training": "training",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """What is asked for of the split; None is what a run or model has recorded, else as usual."""

    test_percent: float | None = setting(
        None,
        "percentage of each label's photos that only test (default: as the run or model was "
        "trained, else 10)",
        minimum=1,
        maximum=80,
        metavar="PERCENT",
    )
    validation_percent: float | None = setting(
        None,
        "percentage of each label's photos that choices are made on (default: as for "
        "--test-percent)",
        minimum=1,
        maximum=80,
        metavar="PERCENT",
    )
    group_by: str | None = setting(
        None,
        "photos that stay in one split: folder, those of a sub-folder within a label; "
        "regex:PATTERN, those whose names have the same first group; scene, those that look "
        "alike; name, frames of one video only (default: as trained, else name)",
        metavar="name|folder|scene|regex:PATTERN",
    )

    def applied_to(self, recorded: SplitRule | None, whose: str = "") -> SplitRule:
        """The rule that these options and what is `recorded` of `whose` training make together.

        Raises ConfigError where they contradict each other: what was trained on would test.
        """
        asked = {name: value for name, value in asdict(self).items() if value is not None}
        if recorded is None:
            return SplitRule(**asked)
        for name, value in asked.items():
            own = getattr(recorded, name)
            if value != own:
                shown = f"{own:g}" if isinstance(own, float) else own
                option = f"--{name.replace('_', '-')}"
                raise ConfigError(
                    f"{option} {value if isinstance(value, str) else format(value, 'g')}: "
                    f"{whose} was trained with {option} {shown}, and with another split photos "
                    f"that it was trained on would test it; leave {option} out"
                )
        return recorded


@dataclass(frozen=True, slots=True)
class SplitRule:
    """How photos are shared out among the splits, see `sharing.shared_out`.

    `earlier` is the rule of model files that were made before shares were exact: a photo's
    hash alone decides. Raises ConfigError for shares that leave none to train with, and for
    a `group_by` that says nothing.
    """

    test_percent: float = _USUAL_PERCENT
    validation_percent: float = _USUAL_PERCENT
    group_by: str = "name"
    earlier: bool = False

    def __post_init__(self) -> None:
        held_out = self.test_percent + self.validation_percent
        if held_out > _MOST_HELD_OUT:
            raise ConfigError(
                f"--test-percent {self.test_percent:g} and --validation-percent "
                f"{self.validation_percent:g} leave {100 - held_out:g} % to train with; "
                f"expected at most {_MOST_HELD_OUT:g} together"
            )
        if self.group_by.startswith(_REGEX):
            self._require_pattern()
        elif self.group_by not in ("name", "folder", "scene"):
            raise ConfigError(
                f"--group-by {self.group_by}: expected name, folder, scene or regex:PATTERN"
            )

    @classmethod
    def recorded(cls, training: Mapping[str, Any]) -> Self | None:
        """The rule that a run or a model file states in its ``data``; None where it has none."""
        data = training.get("data")
        if not isinstance(data, Mapping):
            return None
        stated = data.get("splits")
        if isinstance(stated, Mapping):
            try:
                return cls(
                    float(stated["test_percent"]),
                    float(stated["validation_percent"]),
                    str(stated["group_by"]),
                )
            except (KeyError, TypeError, ValueError):
                return None
        earlier = str(data.get("split_rule", "")).startswith(_EARLIER_RULE)
        return cls(earlier=True) if earlier else None

    def as_dict(self) -> dict[str, Any]:
        """The rule as ``run.json`` and model files have it."""
        entries = asdict(self)
        del entries["earlier"]
        return entries

    def words(self) -> str:
        """The rule for people."""
        if self.earlier:
            return f"{_EARLIER_RULE} 10 % test, 10 % validation, 80 % training"
        rest = 100 - self.test_percent - self.validation_percent
        together = {
            "name": "",
            "folder": "; photos of one sub-folder together",
            "scene": "; photos that look alike together",
        }.get(
            self.group_by, f"; photos with the same part of their name together ({self.group_by})"
        )
        return (
            f"of each label, by the sha256 of the file names: {self.test_percent:g} % test, "
            f"{self.validation_percent:g} % validation, {rest:g} % training{together}"
        )

    @property
    def across_labels(self) -> bool:
        """Whether photos of several labels may belong together."""
        return self.group_by == "scene" or self.group_by.startswith(_REGEX)

    def groups(self, photos: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
        """What each photo belongs to, by its name and the folders within its label's folder.

        The names of groups of several photos end in a slash, as no file's does. Raises
        ConfigError for a pattern that takes too long.
        """
        shared: Sequence[str | None] = [None] * len(photos)
        if self.group_by == "folder":
            shared = [unicodedata.normalize("NFC", within[0]) if within else None
                      for _, within in photos]  # fmt: skip
        elif self.group_by.startswith(_REGEX):
            shared = self._matched([unicodedata.normalize("NFC", name) for name, _ in photos])
        return [
            f"{group}/" if group else group_of(name)
            for group, (name, _) in zip(shared, photos, strict=True)
        ]

    def _matched(self, names: Sequence[str]) -> list[str | None]:
        """The first group of the pattern in each name, None where it does not match."""
        pattern = self.group_by.removeprefix(_REGEX)
        ended = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCHING],
            input=json.dumps([pattern, names, _MATCHING_S]).encode(),
            stdout=subprocess.PIPE,
            check=False,
        )
        if ended.returncode:
            raise ConfigError(
                f"--group-by {self.group_by}: finding it in the names of {len(names)} photos "
                f"takes more than {_MATCHING_S} s; a repeat within a repeat, such as ([a-z]+)+, "
                "has too many ways to match: write it without"
            )
        matched: list[str | None] = json.loads(ended.stdout)
        return matched

    def _require_pattern(self) -> None:
        try:
            compiled = re.compile(self.group_by.removeprefix(_REGEX))
        except (re.error, RecursionError, OverflowError) as error:
            raise ConfigError(
                f"--group-by {self.group_by}: is no regular expression ({error})"
            ) from None
        if not compiled.groups:
            raise ConfigError(
                f"--group-by {self.group_by}: has no group; put what photos of one kind share in "
                "brackets, as in regex:^(site[0-9]+)"
            )


def group_of(file_name: str) -> str:
    """What decides the split of a photo by its name: equal for all frames of a video.

    It is the name without its ending, so that a photo saved in another format stays where it
    is, and spelled in one way (NFC): some file systems keep an accent behind its letter.
    """
    video, marker, _ = file_name.partition(VIDEO_MARKER)
    return unicodedata.normalize("NFC", video if marker else os.path.splitext(file_name)[0])  # noqa: PTH122


def place(group: str) -> int:
    """Where a group stands in the order of all, from 0 up to 2**64: the same everywhere."""
    digest = hashlib.sha256(group.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big")


def stated_split(folder_name: str) -> Split | None:
    """The split that a folder's name states, "valid" for validation; None for any other name."""
    return _FOLDERS.get(folder_name.strip().lower())


def video_split(file_name: str) -> Split | None:
    """The split that a frame's name states, see `VIDEO_MARKER`; None for all other names."""
    _, _, after = file_name.partition(VIDEO_MARKER)
    return next((split for split in SPLITS if after.startswith(f"{split}-")), None)
