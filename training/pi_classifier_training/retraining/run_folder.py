"""The output folder of a training run: everything needed to go on from there."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pi_classifier.modelfile.labels import LABELS_NAME, label_text
from pi_classifier.printable import printable
from pi_classifier.system.files import (
    PARTIAL_PREFIX,
    read_json_object,
    replacing,
    write_atomic,
    write_json,
)
from pi_classifier_training.data.splits import SplitOptions, SplitRule
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.hdf5 import save_weights
from pi_classifier_training.networks.network import Network, NetworkSpec

RUN_FILE = "run.json"
# Of a search, below its folder.
SEARCH_RECORD = Path("search", "auto.json")
WEIGHTS_FILE = "network.weights.h5"
# Hidden: it means nothing to whoever looks into the folder.
_LOCK_FILE = ".lock"
_LARGEST_SUMMARY = 16 << 20
_LONGEST_REASON = 300


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder holding a trained network, its labels and how it came about."""

    path: Path

    def save(self, network: Network, summary: dict[str, Any]) -> None:
        """Save the weights and the summary of the run (any JSON values)."""
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / WEIGHTS_FILE) as weights:
            save_weights(network.inference_model(), weights)
        write_atomic(self.path / LABELS_NAME, label_text(network.labels).encode())
        header = {"network": network.spec.as_dict(), "labels": list(network.labels)}
        write_json(self.path / RUN_FILE, {**header, **summary})

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep other programs from writing into the folder while inside; make it if need be.

        The kernel gives the lock back however the program ends. Raises TrainingError when
        another one has it, and OSError where the folder cannot be made. A folder that was made
        for this and stays empty is removed again.
        """
        made = not self.path.exists()
        if not made and not self.path.is_dir():
            raise TrainingError(f"{self.path}: is a file; name a folder, which may be new")
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / _LOCK_FILE).open("a+b") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TrainingError(
                    f"{self.path}: another pi-classifier-train is working in this folder; wait "
                    "until it has ended, or name another folder"
                ) from None
            try:
                yield
            finally:
                if made and [path.name for path in self.path.iterdir()] == [_LOCK_FILE]:
                    (self.path / _LOCK_FILE).unlink()
                    self.path.rmdir()

    def require_made_by(self, command: Literal["auto", "retrain"]) -> None:
        """Raise TrainingError where the other command has used the folder.

        Both write a report into theirs, and one would replace the other's.
        """
        other, record = ("retrain", RUN_FILE) if command == "auto" else ("auto", SEARCH_RECORD)
        if (self.path / record).exists():
            raise TrainingError(
                f"{self.path}: holds what 'pi-classifier-train {other}' made; name another "
                "--output-dir"
            )

    def clear_partial(self) -> None:
        """Remove what a killed run left of files it was writing."""
        for partial in self.path.glob(f"{PARTIAL_PREFIX}*"):
            partial.unlink(missing_ok=True)

    def summary(self) -> dict[str, Any]:
        """The summary of the run. Raises TrainingError when there is none."""
        path = self.path / RUN_FILE
        try:
            return read_json_object(path, _LARGEST_SUMMARY)
        except (OSError, ValueError) as error:
            why = f"{path.name}: {error}"
            if isinstance(error, FileNotFoundError):
                why = f"it holds no {path.name}, which a training writes at its end"
            raise TrainingError(
                f"{self.path}: is not the output of 'pi-classifier-train retrain' ({why}); name "
                "the folder that was its --output-dir"
            ) from error

    def labels(self) -> tuple[str, ...]:
        """The labels of the run. Raises TrainingError where it names none."""
        labels = self.summary().get("labels")
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise TrainingError(
                f"{self.path}: its {RUN_FILE} names no labels; copy it again, or train anew"
            )
        return tuple(labels)

    def split_rule(self, stated: SplitOptions) -> SplitRule:
        """How the photos were split; ConfigError where what is `stated` contradicts it."""
        return stated.applied_to(SplitRule.recorded(self.summary()), self.path.name)

    def load(self, labels: Sequence[str] | None = None) -> Network:
        """Rebuild the trained network; with `labels`, require those labels."""
        summary = self.summary()
        if labels is not None and list(labels) != summary.get("labels"):
            own = ", ".join(map(str, summary.get("labels", ())))
            raise TrainingError(
                f"{self.path}: knows the labels {own}, but the photos have {', '.join(labels)}; "
                "both must be the same"
            )
        try:
            network = Network(NetworkSpec(**summary["network"]), summary["labels"])
            model = network.inference_model()
            model.load_weights(self.path / WEIGHTS_FILE)
        except TrainingError:
            raise
        except Exception as error:  # of Keras and h5py, for files that are damaged
            raise TrainingError(
                f"{self.path}: its {RUN_FILE} and {WEIGHTS_FILE} cannot be read "
                f"({printable(str(error), _LONGEST_REASON)}); copy the folder again, or train anew"
            ) from error
        # The head is shared with `model`; the backbone was built anew for its input size.
        count = len(network.backbone.weights)
        network.backbone.set_weights([w.numpy() for w in model.weights[:count]])
        return network


def held_source(path: Path) -> contextlib.AbstractContextManager[None]:
    """What `RunFolder.held` does where `path` is a run's folder; nothing for a model file."""
    return RunFolder(path).held() if path.is_dir() else contextlib.nullcontext()
