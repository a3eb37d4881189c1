"""What is to be delivered: run folders, and what decides which files are made of them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pi_classifier.setting import setting
from pi_classifier_training.data.dataset import scan
from pi_classifier_training.data.negatives import negative_sources
from pi_classifier_training.data.splits import SplitOptions
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.evaluation.boards import board_cost
from pi_classifier_training.evaluation.thresholds import ThresholdPolicy
from pi_classifier_training.inspection.estimates import BOARD_KEYS
from pi_classifier_training.modelfile.model_folder import MODEL, stage_files
from pi_classifier_training.networks.spec import NetworkSpec
from pi_classifier_training.retraining.checkpoint import CHECKPOINT_FILE
from pi_classifier_training.retraining.run_folder import RUN_FILE, SEARCH_RECORD, RunFolder
from pi_classifier_training.search.choice import Limits

MOST_RUNS = 2
# Of a run folder that gives its stage a name: needs no quotes anywhere.
_PLAIN = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be delivered: run folders, the cheaper first, and what they were chosen for.

    `policy` says how a cascade's accept threshold is chosen, `limits` what the board allows.
    `card` are entries of the models' cards other than their runs have them (not `name`).
    """

    runs: tuple[Path, ...]
    image_dirs: tuple[Path, ...]
    name: str
    limits: Limits = field(default_factory=Limits)
    policy: ThresholdPolicy = field(default_factory=ThresholdPolicy)
    card: Mapping[str, str] = field(default_factory=dict)
    board: str = setting(
        "zero-2-w", "the Raspberry Pi the models are for", choices=BOARD_KEYS, metavar="BOARD"
    )
    negatives: tuple[Path, ...] = setting(
        (),
        "folder of photos that show none of the labels, a sub-folder for each place; may be given "
        "several times (default: those that the runs were trained with)",
        metavar="DIR",
    )
    training: bool = setting(True, "train no network for 8 bits, though they lose photos: quicker")
    rounded: bool = setting(
        False,
        "beside a cascade: its first network once more, as floats rounded so that they compress",
    )

    def recipe(self) -> dict[str, Any]:
        """What decides the result, in JSON's types. Raises DatasetError for missing photos."""
        return {
            "runs": [RunFolder(run).summary()["recipe"] for run in self.runs],
            "stages": list(self.stages()),
            "photos": self._photos(),
            "name": self.name,
            "board": self.board,
            "negatives": [str(folder.resolve()) for folder in self.negatives],
            "limits": [self.limits.max_ms, self.limits.max_kb],
            "policy": {**asdict(self.policy), "accept": list(self.policy.accept)},
            "training": self.training,
            "card": dict(self.card),
            "rounded": self.rounded,
        }

    def stages(self) -> tuple[str, ...]:
        """What the models of a cascade are called: as their run folders, where those suffice."""
        names = tuple(run.resolve().name for run in self.runs)
        if len({name.casefold() for name in names}) == len(names) and all(
            map(_PLAIN.fullmatch, names)
        ):
            return names
        return tuple(file.removesuffix(MODEL) for file in stage_files(len(names)))

    def _photos(self) -> str:
        """SHA-256 over place, size and time of all photos: others are another delivery."""
        rule = RunFolder(self.runs[0]).split_rule(SplitOptions())
        photos = [(photo.folder, photo.name) for photo in scan(self.image_dirs, rule)]
        if self.negatives:
            photos += [p for source in negative_sources(self.negatives) for p in source.photos]
        digest = hashlib.sha256()
        for folder, name in photos:
            state = Path(folder, name).stat()
            text = f"{folder}/{name}\0{state.st_size}\0{state.st_mtime_ns}\0"
            digest.update(text.encode("utf-8", "surrogateescape"))
        return digest.hexdigest()


def require_deliverable(order: Order) -> None:
    """Raise TrainingError where the runs cannot be delivered together."""
    if not 1 <= len(order.runs) <= MOST_RUNS:
        raise TrainingError(
            f"{len(order.runs)} run folders are given; expected one, or two for a cascade, the "
            "cheaper network first"
        )
    if "/" in order.name or not order.name.strip("."):
        raise TrainingError(
            f"--name {order.name!r}: becomes a file name; leave out dots and slashes"
        )
    summaries = [summary_of(run) for run in order.runs]
    if len(order.runs) == 1:
        if order.rounded:
            raise TrainingError(
                "--rounded puts a file beside the two models of a cascade; of one network make it "
                f"with: pi-classifier-train round {order.runs[0]}/float32{MODEL} OUT{MODEL}"
            )
        return
    if order.runs[0].resolve() == order.runs[1].resolve():
        raise TrainingError(f"{order.runs[0]}: is given twice; a cascade joins two networks")
    _require_alike(order.runs)
    _require_cheaper_first(order, summaries)


def summary_of(run: Path) -> dict[str, Any]:
    """What a run says of itself; raises TrainingError where it is none, or has not ended."""
    if not (run / RUN_FILE).exists():
        if (run / CHECKPOINT_FILE).exists():
            raise TrainingError(
                f"{run}: its training has not ended; give the same retrain command again, and it "
                "goes on"
            )
        if (run / SEARCH_RECORD).exists():
            raise TrainingError(
                f"{run}: is the folder of auto, which has delivered already ({run / 'copy'}); to "
                f"choose yourself, name run folders below {run / SEARCH_RECORD.parent}"
            )
    summary = RunFolder(run).summary()
    missing = [key for key in ("recipe", "network", "labels", "card") if key not in summary]
    if missing:
        raise TrainingError(
            f"{run}: its {RUN_FILE} has no {missing[0]!r}; copy the folder again, or train anew"
        )
    return summary


def _require_alike(runs: Sequence[Path]) -> None:
    first, second = (RunFolder(run).labels() for run in runs)
    if {*first} != {*second}:
        odd = sorted({*first} ^ {*second})
        whose = runs[0] if odd[0] in first else runs[1]
        raise TrainingError(
            f"{runs[0]} and {runs[1]} have other labels ({odd[0]!r} is in {whose} only); a "
            "cascade needs two networks trained on the same photos"
        )
    rules = [RunFolder(run).split_rule(SplitOptions()) for run in runs]
    if rules[0] != rules[1]:
        raise TrainingError(
            f"{runs[0]} and {runs[1]} have shared out their photos in other ways "
            f"({rules[0].words()}; {rules[1].words()}): what tests one has trained the other. "
            "Train one of them anew with the options of the other"
        )


def _require_cheaper_first(order: Order, summaries: Sequence[Mapping[str, Any]]) -> None:
    networks = [NetworkSpec(**summary["network"]) for summary in summaries]
    costs = [board_cost(network, order.board).ms for network in networks]
    if costs[0] >= costs[1]:
        raise TrainingError(
            f"{order.runs[0]} takes as long as {order.runs[1]} or longer (about {costs[0]:.0f} "
            f"and {costs[1]:.0f} ms on the board); a cascade asks the cheaper network first: "
            f"give {order.runs[1]} before {order.runs[0]}, or one of them alone"
        )
