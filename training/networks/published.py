"""Weights published for ImageNet: loaded by name, or from a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.errors import TrainingError
from training.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import keras


def load_weights(backbone: keras.Model, spec: NetworkSpec, weights: str) -> None:
    """Fill the backbone with published weights: ``imagenet`` or a no-top .h5 file.

    Raises TrainingError when they cannot be fetched or do not fit.
    """
    path = None if weights == "imagenet" else Path(weights)
    if path is not None and not path.is_file():
        raise TrainingError(
            f"--weights {weights}: no such file; it takes 'imagenet', 'none' or a Keras .h5 file "
            "without the top layers"
        )
    try:
        published = published_network(spec, "imagenet" if path is None else None)
        if path is not None:
            published.load_weights(path)
        backbone.set_weights(published.get_weights())
    except Exception as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        hint = (
            "downloading them needs the internet; or name a file: --weights FILE"
            if path is None
            else f"the file must hold {spec.name} of width {spec.width} without the top layers"
        )
        raise TrainingError(f"--weights {weights}: {first_line}; {hint}") from error


def published_network(spec: NetworkSpec, weights: str | None) -> keras.Model:
    """Keras' own network of this family without the top layers, fed normalised images.

    Its weights are in the same order as our backbone's.
    """
    import keras

    side = spec.resolution
    options = {"input_shape": (side, side, 3), "include_top": False, "weights": weights}
    published = keras.applications
    match spec.name:
        case "mobilenet_v1":
            return published.MobileNet(alpha=spec.width, **options)
        case "mobilenet_v2":
            return published.MobileNetV2(alpha=spec.width, **options)
        case "mobilenet_v3_small":
            return published.MobileNetV3Small(
                alpha=spec.width, include_preprocessing=False, **options
            )
        case "mobilenet_v3_large":
            return published.MobileNetV3Large(
                alpha=spec.width, include_preprocessing=False, **options
            )
        case "efficientnet_v2_b0":
            return published.EfficientNetV2B0(include_preprocessing=False, **options)
        case "inception_v3":
            return published.InceptionV3(**options)
        case _:
            raise TrainingError(f"no weights are published for {spec.name}")
