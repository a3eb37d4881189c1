"""Curves and the network's graph for TensorBoard."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from pi_classifier_training.networks.network import Network
from pi_classifier_training.retraining.epochs import Row

LOGS_FOLDER = "logs"
# Which entry of a row is which curve of which of TensorBoard's runs.
_CURVES = (
    ("training", "accuracy", "accuracy"),
    ("training", "cross_entropy", "cross-entropy"),
    ("training", "loss", "loss"),
    ("training", "learning_rate", "learning rate"),
    ("validation", "validation_accuracy", "accuracy"),
    ("validation", "validation_cross_entropy", "cross-entropy"),
)


class EventLog:
    """Writes TensorBoard events into ``logs/`` of a run folder.

    The folder is begun anew: a training that goes on reports its earlier epochs again.
    Epochs of all phases are numbered through.
    """

    def __init__(self, run_dir: Path, network: Network) -> None:
        self._folder, self._network = run_dir / LOGS_FOLDER, network
        self._writers: dict[str, Any] = {}
        self._count = 0

    def _open(self) -> None:
        """Begin the folder anew, with the network's graph."""
        import tensorflow as tf

        shutil.rmtree(self._folder, ignore_errors=True)
        self._writers = {
            name: tf.summary.create_file_writer(str(self._folder / name))
            for name in ("training", "validation")
        }
        with self._writers["training"].as_default(step=0):
            tf.summary.graph(_graph(self._network))

    def __call__(self, row: Row) -> None:
        """Write the figures of one epoch; of the first, begin the folder."""
        import tensorflow as tf

        if not self._writers:
            self._open()
        self._count += 1
        for run, entry, curve in _CURVES:
            if entry in row:
                with self._writers[run].as_default(step=self._count):
                    tf.summary.scalar(curve, row[entry])
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """Write what is still to be written."""
        for writer in self._writers.values():
            writer.close()


def _graph(network: Network) -> Any:
    import tensorflow as tf

    side = network.spec.resolution
    image = tf.TensorSpec((None, side, side, 3), tf.float32, "image")
    function = tf.function(lambda images: network(images, training=False)[2])
    return function.get_concrete_function(image).graph
