"""A TensorFlow.js layers model: ``model.json`` with its weight files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier.modelfile.labels import clean_label
from pi_classifier_training.errors import ExportError
from pi_classifier_training.importing.allowed_layers import refuse_layers
from pi_classifier_training.importing.topology import rebuild

if TYPE_CHECKING:
    import keras

_INSTEAD = 'choose the "TensorFlow Lite" or the "Keras" export instead'
_LARGEST_JSON = 64 << 20
_DTYPES = ("float32", "int32")


def load_tensorflowjs(path: Path) -> keras.Model:
    """Load the layers model that `path`, a ``model.json``, describes. Raises ExportError."""
    topology, manifest = read_description(path)
    try:
        refuse_layers(topology)
        return rebuild(topology, _weights(path, manifest))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise ExportError(
            f"{path}: describes its network in an unknown way ({error!r}); {_INSTEAD}"
        ) from error
    except ExportError as error:
        raise ExportError(f"{path}: {error}") from error


def read_description(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The network's description and the list of its weights. Raises ExportError."""
    description = _read_json(path)
    topology = description.get("modelTopology")
    manifest = description.get("weightsManifest")
    if description.get("format") == "graph-model" or "node" in (topology or {}):
        raise ExportError(
            f"{path}: is a TensorFlow.js graph model, not a layers model; {_INSTEAD}"
        )
    if not isinstance(topology, dict) or not isinstance(manifest, list):
        raise ExportError(f"{path}: is not the model.json of a TensorFlow.js model; {_INSTEAD}")
    # Keras' converter puts the network one level deeper than the browser does.
    return topology.get("model_config", topology), manifest


def metadata_labels(path: Path) -> tuple[str, ...] | None:
    """The labels in the ``metadata.json`` that Teachable Machine puts beside the model."""
    beside = path.with_name("metadata.json")
    if not beside.is_file():
        return None
    labels = _read_json(beside).get("labels")
    return tuple(clean_label(str(label)) for label in labels) if isinstance(labels, list) else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise ExportError(f"{path}: is too large for a model's description")
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ExportError(f"{path}: is not JSON ({error}); download it again") from error
    except OSError as error:
        raise ExportError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(value, dict):
        raise ExportError(f"{path}: is not the description of a model")
    return value


def _weights(
    path: Path, manifest: list[dict[str, Any]]
) -> dict[tuple[str, str], NDArray[np.generic]]:
    """Cut the weight files into the arrays that the manifest lists, in its order."""
    weights_by_name: dict[tuple[str, str], NDArray[np.generic]] = {}
    for group in manifest:
        data = b"".join(_part(path, str(name)) for name in group["paths"])
        at = 0
        for entry in group["weights"]:
            if entry.get("quantization") or entry["dtype"] not in _DTYPES:
                raise ExportError(f"{path}: its weights are packed as {entry}; {_INSTEAD}")
            count = int(np.prod(entry["shape"], dtype=np.int64))
            if count < 0 or at + 4 * count > len(data):
                raise ExportError(f"{path}: its weight files are cut short; download it again")
            values = np.frombuffer(data, np.dtype(entry["dtype"]).newbyteorder("<"), count, at)
            *_, layer, weight = ("", *str(entry["name"]).split("/"))
            weights_by_name[layer, weight] = values.reshape(entry["shape"])
            at += 4 * count
    return weights_by_name


def _part(path: Path, name: str) -> bytes:
    part = path.with_name(Path(name).name)
    try:
        return part.read_bytes()
    except OSError as error:
        raise ExportError(
            f"{path}: its weight file {name!r} is not beside it ({error.strerror}); name the "
            "folder or the .zip with all its files"
        ) from error
