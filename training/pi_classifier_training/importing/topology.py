"""A Keras 2 or TensorFlow.js network built again in Keras 3, layer by layer.

Keras 3 does not read all that Keras 2 wrote (a DepthwiseConv2D with ``groups``, models
nested in a Sequential), and nothing of TensorFlow.js. Both describe a network by the
same JSON: layers with their options and, in a functional model, where each takes its
input from. Weights are put in by the names of layer and weight.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.errors import ExportError

if TYPE_CHECKING:
    import keras

# (layer name, weight name such as "kernel") → values.
Weights = Mapping[tuple[str, str], NDArray[np.generic]]

_MODELS = ("Functional", "Model", "Sequential")
# Of no consequence once trained; some are written in ways that Keras 3 does not read.
_TRAINING_ONLY = ("initializer", "regularizer", "constraint", "batch_input_shape", "dtype")


def rebuild(topology: Mapping[str, Any], weights: Weights) -> keras.Model:
    """Build the network that `topology` (``{"class_name", "config"}``) describes.

    It has been through `refuse_layers`. Raises ExportError where a layer is of a kind
    that Keras does not have, or the weights do not fit.
    """
    import keras

    layers: dict[str, keras.layers.Layer] = {}
    image = keras.Input(_input_shape(topology), name="image")
    scores = _apply(topology, image, layers)
    _fill(layers, weights)
    return keras.Model(image, scores)


def _input_shape(topology: Mapping[str, Any]) -> tuple[int | None, ...]:
    """Find the first input shape in the description, without the batch."""
    config = topology.get("config", {})
    if isinstance(config, Mapping):
        for key in ("batch_input_shape", "batch_shape"):
            if isinstance(config.get(key), list):
                return tuple(config[key][1:])
    for layer in _layers(topology):
        if "config" in layer:
            shape = _input_shape(layer)
            if shape:
                return shape
    return ()


def _layers(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    config = node.get("config")
    layers = config.get("layers", []) if isinstance(config, Mapping) else config
    return layers if isinstance(layers, list) else []


def _apply(node: Mapping[str, Any], x: Any, layers: dict[str, Any]) -> Any:
    kind = node.get("class_name")
    if kind == "Sequential":
        for layer in _layers(node):
            x = _apply(layer, x, layers)
        return x
    if kind in _MODELS:
        return _functional(node, x, layers)
    if kind == "InputLayer":
        return x
    layer = _layer(node)
    if layer.name in layers:
        raise ExportError(
            f"two layers are called {layer.name!r}; export the model as a SavedModel instead"
        )
    layers[layer.name] = layer
    return layer(x)


def _functional(node: Mapping[str, Any], x: Any, layers: dict[str, Any]) -> Any:
    """Apply a functional model: each layer to the outputs it names."""
    config = node["config"]
    for role in ("input_layers", "output_layers"):
        if len(_names(config.get(role))) != 1:
            raise ExportError(
                f"the model has {len(_names(config.get(role)))} of {role}; expected one picture "
                "in and one list of scores out"
            )
    made: dict[str, Any] = {}
    for layer in _layers(node):
        name = str(layer.get("name") or layer["config"]["name"])
        sources = _sources(layer, name)
        if not sources:
            made[name] = x
            continue
        if any(source not in made for source in sources):
            raise ExportError(f"layer {name!r} takes its input from a layer further down")
        inputs = [made[source] for source in sources]
        made[name] = _apply(layer, inputs[0] if len(inputs) == 1 else inputs, layers)
    return made[_names(config["output_layers"])[0]]


def _names(references: Any) -> list[str]:
    """Layer names in ``["a", 0, 0]`` or ``[["a", 0, 0], ["b", 0, 0]]``."""
    if not isinstance(references, list) or not references:
        return []
    if isinstance(references[0], str):
        return [references[0]]
    return [str(reference[0]) for reference in references]


def _sources(layer: Mapping[str, Any], name: str) -> list[str]:
    """The layers whose outputs this one takes: ``inbound_nodes`` of Keras 2."""
    nodes = layer.get("inbound_nodes") or []
    if len(nodes) > 1:
        raise ExportError(
            f"layer {name!r} is used {len(nodes)} times; export the model as a SavedModel instead"
        )
    if not nodes:
        return []
    if not isinstance(nodes[0], list):
        raise ExportError(f"layer {name!r} is described in a way that is not known here")
    return _names(nodes[0])


def _layer(node: Mapping[str, Any]) -> Any:
    """Make one layer of the options that Keras 3 knows."""
    import keras

    # TensorFlow 1.13 to 1.15 said which of two batch normalizations it was.
    kind = str(node.get("class_name")).removesuffix("V1").removesuffix("V2")
    made = getattr(keras.layers, kind, None)
    if not (isinstance(made, type) and issubclass(made, keras.layers.Layer)):
        raise ExportError(
            f"the model has a layer of kind {kind!r}, which cannot be built again here; export "
            "the model as a SavedModel (Keras: model.export) or as TensorFlow Lite"
        )
    config = node.get("config", {})
    known = {*inspect.signature(made).parameters, "name"} - {"kwargs"}
    options = {
        key: value
        for key, value in config.items()
        if key in known and not key.endswith(_TRAINING_ONLY) and value is not None
    }
    if isinstance(options.get("axis"), list):
        options["axis"] = options["axis"][0]
    try:
        return made(**options)
    except (TypeError, ValueError) as error:
        raise ExportError(f"layer {config.get('name')!r} ({kind}): {error}") from error


def _fill(layers: Mapping[str, Any], weights: Weights) -> None:
    """Put the weights into their layers. Raises ExportError where they do not fit."""
    used = set()
    for name, layer in layers.items():
        values = []
        for variable in layer.weights:
            own = [(name, variable.name), (name, f"depthwise_{variable.name}")]
            key = next((pair for pair in own if pair in weights), None)
            if key is None:
                if variable.name == "seed_generator_state":
                    values.append(np.asarray(variable))
                    continue
                raise ExportError(f"the weights {variable.name!r} of layer {name!r} are missing")
            if weights[key].shape != tuple(variable.shape):
                raise ExportError(
                    f"the weights {variable.name!r} of layer {name!r} have the shape "
                    f"{weights[key].shape}, the layer needs {tuple(variable.shape)}"
                )
            used.add(key)
            values.append(weights[key])
        layer.set_weights(values)
    left = [key for key in weights if key not in used]
    if left:
        raise ExportError(
            f"there are weights of a layer {left[0][0]!r} that the model does not have"
        )
