"""What a user says about a search: the photos, the board, the time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pi_classifier.setting import LARGEST_SEED, setting

Board = Literal["zero-2-w", "3", "4", "5"]


@dataclass(frozen=True, slots=True)
class AutoOptions:
    """What `auto` may choose among, and how long it may take."""

    board: Board = setting("zero-2-w", "the Raspberry Pi the model is for")
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
    seed: int = setting(1, "other random numbers", minimum=0, maximum=LARGEST_SEED)
    cache_dir: str | None = setting(
        None,
        "where the features of photos are kept for later runs; 'none' keeps none "
        "(default: ~/.cache/pi-classifier/bottlenecks)",
        metavar="DIR",
    )

    def as_dict(self) -> dict[str, Any]:
        """The options that decide the result."""
        options = asdict(self)
        del options["cache_dir"]
        return options
