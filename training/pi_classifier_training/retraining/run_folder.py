"""The output folder of a training run: everything needed to go on from there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.labels import LABELS_NAME, label_text
from pi_classifier.system.files import PARTIAL_PREFIX, replacing, write_atomic, write_json
from pi_classifier_training.errors import TrainingError
from pi_classifier_training.networks.network import Network, NetworkSpec

RUN_FILE = "run.json"
WEIGHTS_FILE = "network.weights.h5"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder holding a trained network, its labels and how it came about."""

    path: Path

    def save(self, network: Network, summary: dict[str, Any]) -> None:
        """Save the weights and the summary of the run (any JSON values)."""
        self.path.mkdir(parents=True, exist_ok=True)
        with replacing(self.path / WEIGHTS_FILE) as weights:
            network.inference_model().save_weights(weights)
        write_atomic(self.path / LABELS_NAME, label_text(network.labels).encode())
        header = {"network": network.spec.as_dict(), "labels": list(network.labels)}
        write_json(self.path / RUN_FILE, {**header, **summary})

    def clear_partial(self) -> None:
        """Remove what a killed run left of files it was writing."""
        for partial in self.path.glob(f"{PARTIAL_PREFIX}*"):
            partial.unlink(missing_ok=True)

    def summary(self) -> dict[str, Any]:
        """The summary of the run. Raises TrainingError when there is none."""
        path = self.path / RUN_FILE
        try:
            summary: dict[str, Any] = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise TrainingError(
                f"{self.path}: is not the output of 'pi-classifier-train retrain' "
                f"({path.name}: {error})"
            ) from error
        return summary

    def load(self, labels: Sequence[str] | None = None) -> Network:
        """Rebuild the trained network; with `labels`, require those labels."""
        summary = self.summary()
        if labels is not None and list(labels) != summary["labels"]:
            raise TrainingError(
                f"{self.path}: knows the labels {', '.join(summary['labels'])}, but the photos "
                f"have {', '.join(labels)}; both must be the same"
            )
        network = Network(NetworkSpec(**summary["network"]), summary["labels"])
        model = network.inference_model()
        model.load_weights(self.path / WEIGHTS_FILE)
        # The head is shared with `model`; the backbone was built anew for its input size.
        count = len(network.backbone.weights)
        network.backbone.set_weights([w.numpy() for w in model.weights[:count]])
        return network
