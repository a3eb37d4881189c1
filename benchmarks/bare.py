"""The peer: a bare interpreter loop, as someone who knows TFLite writes it for one model.

Imported by the benchmarks, and also a program of its own, which prints a photo's label
and goes on classifying until it is ended:

    python bare.py PHOTO LABELS MEAN STD FPS MODEL...

It uses nothing of pi_classifier, does no checks, and knows one way only.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:  # 32-bit systems
    from tflite_runtime.interpreter import Interpreter

Array = NDArray[Any]


class BareModel:
    """One model in an interpreter; `size` is (height, width)."""

    def __init__(
        self, path: str, mean: tuple[float, ...] = (0.0,), std: tuple[float, ...] = (1.0,)
    ) -> None:
        self._interpreter = Interpreter(model_path=path, num_threads=1)
        self._interpreter.allocate_tensors()
        details = self._interpreter.get_input_details()[0]
        output = self._interpreter.get_output_details()[0]
        self._input, self._output = details["index"], output["index"]
        self._dtype = details["dtype"]
        self._scale, self._zero_point = output["quantization"]
        self._mean = np.asarray(mean, np.float32)
        self._std = np.asarray(std, np.float32)
        self.size: tuple[int, int] = tuple(details["shape"][1:3].tolist())

    def resized(self, pixels: Array) -> Array:
        """Resize RGB pixels with Pillow's BILINEAR filter."""
        small = Image.fromarray(pixels).resize(self.size[::-1], Image.Resampling.BILINEAR)
        return np.asarray(small)

    def tensor(self, pixels: Array) -> Array:
        """Return the input tensor for RGB pixels of the model's size."""
        if self._dtype == np.uint8:
            return pixels[None]
        if self._dtype == np.int8:
            return (pixels ^ np.uint8(128)).view(np.int8)[None]
        real: Array = (pixels - self._mean) / self._std
        return real[None]

    def load(self, tensor: Array) -> None:
        """Set the input."""
        self._interpreter.set_tensor(self._input, tensor)

    def invoke(self) -> None:
        """Run the network."""
        self._interpreter.invoke()

    def scores(self) -> Array:
        """Return the scores."""
        output: Array = self._interpreter.get_tensor(self._output)[0]
        if self._scale:
            output = (output.astype(np.float32) - self._zero_point) * self._scale
        return output

    def best(self, pixels: Array) -> int:
        """Return the number of the best label for a picture of any size."""
        self.load(self.tensor(self.resized(pixels)))
        self.invoke()
        return int(self.scores().argmax())


def main(photo: str, labels: str, mean: str, std: str, fps: str, *paths: str) -> None:
    """Print the label of a photo; go on classifying it with the first model."""
    names = Path(labels).read_text("utf-8").splitlines()
    red_green_blue = [tuple(float(each) for each in text.split(",")) for text in (mean, std)]
    models = [BareModel(path, *red_green_blue) for path in paths]
    pixels = np.asarray(Image.open(photo).convert("RGB"))
    print(names[models[0].best(pixels)], flush=True)
    while True:
        time.sleep(1 / float(fps))
        models[0].best(pixels)


if __name__ == "__main__":
    main(*sys.argv[1:])
