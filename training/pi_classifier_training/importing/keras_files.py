"""Keras models: ``.keras`` and ``.h5`` of Keras 3, ``.h5`` of Keras 2 and Teachable Machine."""

from __future__ import annotations

import contextlib
import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.conversion.converter import first_line
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.allowed_layers import refuse_layers, without_training
from pi_classifier_training.importing.archives import unpack
from pi_classifier_training.importing.topology import rebuild
from pi_classifier_training.networks.hdf5 import opened_hdf5

if TYPE_CHECKING:
    import keras

_LARGEST_CONFIG = 64 << 20


def load_keras(path: Path) -> keras.Model:
    """Load a Keras model. Raises ExportError, also where it has a layer that is not allowed."""
    if zipfile.is_zipfile(path):
        with tempfile.TemporaryDirectory() as folder:
            return _load_unpacked(path, unpack(path, Path(folder)))
    topology, version = h5_topology(path)
    if version.startswith("3"):
        import keras

        with _explained(path):
            return keras.models.load_model(path, compile=False, safe_mode=True)
    return rebuild(topology, _h5_weights(path))


def _load_unpacked(path: Path, folder: Path) -> keras.Model:
    """Load the network and its weights from an unpacked ``.keras`` file; nothing else of it."""
    import keras

    topology, weights = unpacked_topology(path, folder)
    with opened_hdf5(weights), _explained(path):
        model = keras.saving.deserialize_keras_object(without_training(topology))
        model.load_weights(weights)
    return model


def unpacked_topology(path: Path, folder: Path) -> tuple[dict[str, Any], Path]:
    """The network's description in an unpacked ``.keras`` file, and its file of weights."""
    config, weights = folder / "config.json", folder / "model.weights.h5"
    if not (config.is_file() and weights.is_file()):
        raise ExportError(
            f"{path}: is not a .keras file: it has no {config.name} or no {weights.name}"
        )
    if config.stat().st_size > _LARGEST_CONFIG:
        raise ExportError(f"{path}: its config.json is implausibly large")
    return _checked_topology(path, config.read_bytes()), weights


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Whatever Keras raises becomes one line and what to do."""
    import keras

    try:
        yield
    except Exception as error:
        raise ExportError(
            f"{path}: Keras {keras.__version__} cannot read it: {first_line(error)}; export the "
            "model as a SavedModel (model.export) or as TensorFlow Lite and import that"
        ) from error


def _checked_topology(path: Path, text: bytes | str) -> dict[str, Any]:
    try:
        topology = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: its description is not JSON; download it again") from error
    if not isinstance(topology, dict):
        raise ExportError(f"{path}: does not describe a network; download it again")
    try:
        refuse_layers(without_training(topology))
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error
    return topology


def h5_topology(path: Path) -> tuple[dict[str, Any], str]:
    """The network's description and the version of Keras that wrote the file."""
    with opened_hdf5(path) as file:
        topology = file.attrs.get("model_config")
        version = file.attrs.get("keras_version", "2")
    if topology is None:
        raise ExportError(
            f"{path}: holds weights without the network they belong to; save the whole model "
            "(model.save, not save_weights)"
        )
    return _checked_topology(path, _text(topology)), _text(version)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _h5_weights(path: Path) -> dict[tuple[str, str], NDArray[np.generic]]:
    """The weights by layer and name: ``…/Conv1/kernel:0`` is (``Conv1``, ``kernel``)."""
    import h5py

    weights: dict[tuple[str, str], NDArray[np.generic]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            *_, layer, weight = ("", *name.split("/"))
            weights[layer, weight.partition(":")[0]] = np.asarray(item)

    with opened_hdf5(path) as file:
        if "model_weights" not in file:
            raise ExportError(f"{path}: holds no weights; save the whole model (model.save)")
        file["model_weights"].visititems(visit)
    return weights
