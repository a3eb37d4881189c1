"""What a user says about a search: the photos, the board, the time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pi_classifier.setting import LARGEST_SEED, setting
from pi_classifier_training.data.splits import SplitRule
from pi_classifier_training.inspection.estimates import BOARD_KEYS
from pi_classifier_training.retraining.options import cache_setting, negatives_setting


@dataclass(frozen=True, slots=True)
class AutoOptions:
    """What `auto` may choose among, and how long it may take."""

    board: str = setting(
        "zero-2-w", "the Raspberry Pi the model is for", choices=BOARD_KEYS, metavar="BOARD"
    )
    minutes: float = setting(
        30.0, "how long all of it may take, within a tenth", above=0, maximum=100_000, metavar="M"
    )
    max_ms: float | None = setting(
        None, "longest time for one picture on the board, as estimated", above=0, metavar="MS"
    )
    max_kb: float | None = setting(
        None, "largest model, all its files together", above=0, metavar="KB"
    )
    weights_dir: str | None = setting(
        None,
        "folder of published weights under the names Keras gives them; without it they are "
        "downloaded",
        metavar="DIR",
    )
    negatives: tuple[Path, ...] = negatives_setting()
    splits: SplitRule = SplitRule()
    seed: int = setting(1, "other random numbers", minimum=0, maximum=LARGEST_SEED)
    cache_dir: str | None = cache_setting()

    def as_dict(self) -> dict[str, Any]:
        """The options that decide the result."""
        options = asdict(self)
        options["negatives"] = [str(folder.resolve()) for folder in self.negatives]
        del options["cache_dir"]
        return options

    def command(self) -> tuple[str, ...]:
        """The words that ask for the same of other photos."""
        words = ["auto", "--board", self.board, "--minutes", f"{self.minutes:g}"]
        for option, limit in (("--max-ms", self.max_ms), ("--max-kb", self.max_kb)):
            words += [] if limit is None else [option, f"{limit:g}"]
        words += [] if self.weights_dir is None else ["--weights-dir", self.weights_dir]
        for folder in self.negatives:
            words += ["--negatives", str(folder)]
        return tuple(words)
