"""A network converted as it stands: what its model file would be without optimization.

The TFLite converter always folds batch norms into the convolutions before them when
their values are constants. Here the values are inputs while it converts, and are put
into the file as constants afterwards: each batch norm stays a MUL and an ADD.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pi_classifier_training.conversion.converter import quiet, refusal
from pi_classifier_training.networks.network import Network

if TYPE_CHECKING:
    import keras

Values = NDArray[np.float32]

_IMAGE = "image"


def convert_unoptimized(network: Network) -> bytes:
    """Convert a network to a bare TFLite flatbuffer in which every batch norm is apart.

    It takes and gives what the exported float32 file does. Raises ExportError.
    """
    model = network.inference_model()
    constants = {
        name: value for layer in _norms(model) for name, value in _factor_and_offset(layer).items()
    }
    return _with_constants(_converted(model, constants, network.spec.resolution), constants)


def _norms(model: keras.Model) -> list[Any]:
    import keras

    kind = keras.layers.BatchNormalization
    return [layer for layer in model.layers if isinstance(layer, kind)]


def _factor_and_offset(layer: Any) -> dict[str, Values]:
    """A batch norm at inference, as ``x · factor + offset``, each by its input's name."""
    values = {w.name: w.numpy().astype(np.float64) for w in layer.weights}
    factor = values.get("gamma", 1.0) / np.sqrt(values["moving_variance"] + layer.epsilon)
    offset = values.get("beta", 0.0) - values["moving_mean"] * factor
    return {
        f"{layer.name}_factor": factor.astype(np.float32),
        f"{layer.name}_offset": offset.astype(np.float32),
    }


def _converted(model: keras.Model, constants: Mapping[str, Values], side: int) -> bytes:
    """Convert with the factors and offsets as further inputs, called by their names."""
    import tensorflow as tf

    inputs: dict[str, Any] = {}
    apart = _norms_apart(model, inputs)
    shapes = {_IMAGE: (1, side, side, 3)} | {name: v.shape for name, v in constants.items()}

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec(shape, tf.float32, n) for n, shape in shapes.items()]
    )
    def scores(image: Any, *values: Any) -> Any:
        inputs.update(zip(constants, values, strict=True))
        return {"scores": apart(image, training=False)}

    with quiet():
        converter = tf.lite.TFLiteConverter.from_concrete_functions(
            [scores.get_concrete_function()]
        )
        try:
            data: bytes = converter.convert()
        except Exception as error:
            raise refusal(model.name, error) from error
    return data


def _norms_apart(model: keras.Model, inputs: Mapping[str, Any]) -> keras.Model:
    """The same network with batch norms that take their values from `inputs` when called."""
    import keras

    class Apart(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any, **_options: Any) -> Any:
            return x * inputs[f"{self.name}_factor"] + inputs[f"{self.name}_offset"]

        def compute_output_spec(self, x: Any, **_options: Any) -> Any:
            return keras.KerasTensor(x.shape, x.dtype)

    def replaced(layer: Any) -> Any:
        if isinstance(layer, keras.layers.BatchNormalization):
            return Apart(name=layer.name)
        return layer

    # Layers that are not replaced are the model's own, weights and all.
    return keras.models.clone_model(model, clone_function=replaced)


def _with_constants(data: bytes, constants: Mapping[str, Values]) -> bytes:
    """Make constants of a flatbuffer's inputs, all but the image."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
    graph = model.subgraphs[0]
    kept = []
    for index in graph.inputs:
        tensor = graph.tensors[index]
        name = tensor.name.decode().rpartition("/")[2].partition(":")[0]
        name = name.removeprefix("scores_")
        if name == _IMAGE:
            kept.append(index)
            continue
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(constants[name].tobytes(), np.uint8)
        tensor.buffer = len(model.buffers)
        model.buffers.append(buffer)
    graph.inputs = kept
    model.signatureDefs = None
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
