"""Keras models: ``.keras`` and ``.h5`` of Keras 3, ``.h5`` of Keras 2 and Teachable Machine."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.archives import opened_archive
from pi_classifier_training.importing.topology import rebuild

if TYPE_CHECKING:
    import keras

_LARGEST_CONFIG = 64 << 20


def load_keras(path: Path) -> keras.Model:
    """Load a Keras model. Raises ExportError, also for one that carries a program."""
    if zipfile.is_zipfile(path):
        _refuse_programs(path, _keras_config(path))
        return _load(path)
    topology, version = _h5_topology(path)
    _refuse_programs(path, topology)
    if version.startswith("3"):
        return _load(path)
    return rebuild(json.loads(topology), _h5_weights(path))


def _load(path: Path) -> keras.Model:
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        raise ExportError(
            f"{path}: Keras {keras.__version__} cannot read it: {_first_line(error)}; export the "
            "model as a SavedModel (model.export) or as TensorFlow Lite and import that"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


def _keras_config(path: Path) -> str:
    try:
        with opened_archive(path) as archive:
            if archive.getinfo("config.json").file_size > _LARGEST_CONFIG:
                raise ExportError(f"{path}: its config.json is implausibly large")
            return archive.read("config.json").decode()
    except (KeyError, UnicodeDecodeError) as error:
        raise ExportError(f"{path}: is not a .keras file: {error}") from error


def _h5_topology(path: Path) -> tuple[str, str]:
    """The network's JSON and the version of Keras that wrote the file."""
    import h5py

    try:
        with h5py.File(path) as file:
            topology = file.attrs.get("model_config")
            version = file.attrs.get("keras_version", "2")
    except OSError as error:
        raise ExportError(f"{path}: is not a Keras .h5 file: {error}") from error
    if topology is None:
        raise ExportError(
            f"{path}: holds weights without the network they belong to; save the whole model "
            "(model.save, not save_weights)"
        )
    return _text(topology), _text(version)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _refuse_programs(path: Path, topology: str) -> None:
    """A Lambda layer is Python code that would run here: never loaded."""
    if '"class_name": "Lambda"' in topology.replace('":"', '": "'):
        raise ExportError(
            f"{path}: has a Lambda layer, a program inside the model, which is not run here; "
            "export the model as a SavedModel (model.export) or as TensorFlow Lite and import that"
        )


def _h5_weights(path: Path) -> dict[tuple[str, str], NDArray[np.generic]]:
    """The weights by layer and name: ``…/Conv1/kernel:0`` is (``Conv1``, ``kernel``)."""
    import h5py

    weights: dict[tuple[str, str], NDArray[np.generic]] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            *_, layer, weight = ("", *name.split("/"))
            weights[layer, weight.partition(":")[0]] = np.asarray(item)

    with h5py.File(path) as file:
        if "model_weights" not in file:
            raise ExportError(f"{path}: holds no weights; save the whole model (model.save)")
        file["model_weights"].visititems(visit)
    return weights
