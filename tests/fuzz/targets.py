"""Every reader of foreign bytes: what it is called with, and which errors it documents.

The seeds are written here, small and sound, so that the repository holds no files for them.
"""

from __future__ import annotations

import io
import json
import random
import tempfile
import wave
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from pi_classifier_training.errors import ExportError

from pi_classifier.cameras.replay.recording import INDEX, recorded_frames
from pi_classifier.cameras.video.pyav import MediaAddress, Video, VideoError
from pi_classifier.config.reading import read_configuration
from pi_classifier.errors import ConfigError, ImageError, ModelFileError, ModelMismatch, SinkError
from pi_classifier.modelfile.associated_files import read_associated_files
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.encryption import ModelKey, decrypt_model, encrypt_model
from pi_classifier.modelfile.flatbuffer import DamagedBuffer, Table
from pi_classifier.modelfile.labels import parse_labels
from pi_classifier.modelfile.manifest import MANIFEST_NAME, parse_manifest
from pi_classifier.modelfile.model_file import read_model_bytes
from pi_classifier.modelfile.tflite_graph import read_graph
from pi_classifier.modelfile.tflite_metadata import METADATA_NAME, read_metadata
from pi_classifier.preprocessing.photos import load_image
from pi_classifier.printable import printable
from pi_classifier.speech.wavfile import check_speech
from tests import torch_files
from tests.fuzz.small_networks import small_network
from tests.tflite_models import put_together, take_apart

DATA = Path(__file__).resolve().parent.parent / "data"

_CONTROL = frozenset(map(chr, (*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F))))

Seeds = Callable[[], list[bytes]]
Read = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Target:
    """A reader, sound inputs for it, and the errors by which it may refuse others."""

    name: str
    seeds: Seeds
    read: Read
    refuses_with: tuple[type[Exception], ...]

    def attempt(self, data: bytes) -> bool:
        """Read `data`; return whether it was taken. An undocumented error goes through."""
        try:
            self.read(data)
        except self.refuses_with:
            return False
        return True


@cache
def folder() -> Path:
    """A folder in memory for what has to be a file."""
    return Path(tempfile.mkdtemp(prefix="fuzz-", dir="/dev/shm"))


def as_file(name: str, data: bytes) -> Path:
    path = folder() / name
    path.write_bytes(data)
    return path


def _graphs() -> list[bytes]:
    return [put_together(small_network(random.Random(seed))) for seed in range(6)]


def _finished() -> bytes:
    return (DATA / "int8.tflite").read_bytes()


def _metadata() -> list[bytes]:
    seeds = []
    for name in ("int8", "normalized"):
        model = take_apart((DATA / f"{name}.tflite").read_bytes())
        index = next(m["buffer"] for m in model["metadata"] if m["name"] == METADATA_NAME)
        seeds.append(model["buffers"][index]["data"])
    return seeds


def _read_archive(data: bytes) -> object:
    limits = {"labels.txt": 1 << 16, MANIFEST_NAME: 1 << 16}
    return read_associated_files(Path("model.tflite"), memoryview(data), limits)


def _archives() -> list[bytes]:
    seeds = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        content = io.BytesIO(b"0123456789")
        with zipfile.ZipFile(content, "a", method) as archive:
            archive.writestr("labels.txt", "daisy\nrose\n")
            archive.writestr(MANIFEST_NAME, "{}")
        seeds.append(content.getvalue())
    return seeds


def _manifests() -> list[bytes]:
    vector = {"shape": [2, 2, 3], "pixels": "AAECAwQFBgcICQoL", "scores": [0.1, 0.2, 0.3, 0.4]}
    whole = {
        "schema_version": 1,
        "name": "flowers",
        "version": "1",
        "input": {"size": [16, 16], "resize": "crop", "channels": "RGB"},
        "silent_labels": ["background"],
        "calibration": {"temperature": 1.5},
        "thresholds": {"accept": 0.8, "high": 0.6, "low": 0.4},
        "unknown": {
            "score": "log-linear",
            "weights": [1.0, -0.5, 0.0, 2],
            "floor": 0.001,
            "threshold": 0.5,
        },
        "flatbuffer": {"bytes": 100, "sha256": "0" * 64},
        "golden": {"tolerance": 0.01, "vectors": [vector]},
    }
    with zipfile.ZipFile(DATA / "int8.tflite") as archive:
        real = archive.read(MANIFEST_NAME)
    return [real[:4000] if len(real) < 4000 else b"{}", json.dumps(whole).encode(), b"{}"]


def _labels() -> list[bytes]:
    return [
        b"daisy\nrose\ntulip\n",
        b"0 daisy\n1 rose\n2 tulip\n",
        b'["daisy", "rose"]',
        b"{0: 'daisy', 1: 'rose'}",
        b'{"daisy": 0, "rose": 1}',
        b'"daisy",\r\n"rose",\r\n',
        "\ufeffG\u00e4nsebl\u00fcmchen\nRose\n".encode(),
    ]


def _read_labels(data: bytes) -> None:
    for label in parse_labels(data, "labels.txt"):
        if not label or label != printable(label) or not _CONTROL.isdisjoint(label):
            raise AssertionError(f"a label that cannot be shown: {label!r}")


def _configurations() -> list[bytes]:
    return [
        b'[model]\npath = "flowers"\nmean = [127.5, 127.5, 127.5]\nnum_threads = 2\n',
        b'[camera]\nsource = "emulated"\nfps = 10\nwidth = 640\n[decision]\npatience = 3\n',
        b"[decision]\nthreshold_high = 0.6\nrefractory_s = 1e3\n[speech.names]\ndaisy = 'x'\n",
    ]


def _read_configuration(data: bytes) -> object:
    nowhere = folder() / "none.toml"
    file = as_file("config.toml", data)
    return read_configuration(file, system_file=nowhere, user_file=nowhere)


def _read_assignment(data: bytes) -> object:
    nowhere = folder() / "none.toml"
    words = data.decode("utf-8", "surrogateescape")
    return read_configuration(None, [words], system_file=nowhere, user_file=nowhere)


def _assignments() -> list[bytes]:
    return [b"model.path=flowers", b"camera.fps=10", b"model.mean=[1, 2, 3]", b"speech.names.a=b"]


def _cascades() -> list[bytes]:
    first = b'[[stage]]\nmodel = "fast.tflite"\naccept = 0.8\n'
    second = b'[[stage]]\nmodel = "accurate.tflite"\n[measured]\nn = 3\n'
    return [b'schema_version = 1\nname = "flowers"\n' + first + second]


def _sounds() -> list[bytes]:
    seeds = []
    for channels, rate in ((1, 22050), (2, 48000)):
        content = io.BytesIO()
        with wave.open(content, "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.arange(-600, 600, 25).astype("<i2").tobytes())
        seeds.append(content.getvalue())
    return seeds


def _photos() -> list[bytes]:
    from PIL import Image

    pixels = np.arange(8 * 6 * 3).astype(np.uint8).reshape(8, 6, 3)
    seeds = []
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, kind)
        seeds.append(content.getvalue())
    return seeds


def _read_photo(data: bytes) -> None:
    pixels = load_image(as_file("photo.jpg", data), min_side=4)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise AssertionError(f"a picture of {pixels.shape}, {pixels.dtype}")


def _recordings() -> list[bytes]:
    lines: list[dict[str, object]] = [
        {"recording": 1, "width": 64},
        {"sequence": 0, "timestamp_ns": 10, "picture": "0.png", "truth": "daisy"},
        {"sequence": 1, "timestamp_ns": 20, "picture": "1.png"},
    ]
    return ["".join(f"{json.dumps(line)}\n" for line in lines).encode()]


def _read_recording(data: bytes) -> object:
    return list(recorded_frames(as_file(INDEX, data).parent))


def _videos() -> list[bytes]:
    from tests.servers.films import film

    seeds = []
    for suffix, codec in (("avi", "mjpeg"), ("mkv", "mpeg4")):
        path = folder() / f"seed.{suffix}"
        film(path, frames=4, codec=codec)
        seeds.append(path.read_bytes())
    return seeds


def _read_video(data: bytes) -> None:
    video = Video(MediaAddress(f"file:{as_file('film', data)}"), 16, 5.0)
    try:
        for number, picture in enumerate(video.pictures()):
            picture()
            if number == 3:
                break
    finally:
        video.close()


def _foreign_archives() -> list[bytes]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/labels.txt", "0 daisy\n1 rose\n")
        archive.writestr("model/model_unquant.tflite", _graphs()[0][:200])
    return [content.getvalue(), *_archives()]


def _unpack(data: bytes) -> None:
    from pi_classifier_training.importing.archives import unpack

    path = as_file("model.zip", data)
    with tempfile.TemporaryDirectory(dir=folder()) as inside:
        unpack(path, Path(inside))


def _descriptions() -> list[bytes]:
    layers = [
        {
            "class_name": "InputLayer",
            "config": {"batch_input_shape": [None, 8, 8, 3], "name": "x"},
        },
        {"class_name": "Dense", "config": {"units": 3, "activation": "softmax", "name": "y"}},
    ]
    network = {"class_name": "Sequential", "config": {"name": "n", "layers": layers}}
    return [json.dumps(network).encode()]


def _read_description(data: bytes) -> object:
    from pi_classifier_training.importing.keras_files import _checked_topology

    return _checked_topology(Path("config.json"), data)


def _read_browser_labels(data: bytes) -> object:
    from pi_classifier_training.importing.tensorflowjs import metadata_labels

    return metadata_labels(as_file("metadata.json", data).with_name("model.json"))


def _hdf5() -> list[bytes]:
    import h5py

    path = folder() / "seed.h5"
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["model_config"] = _descriptions()[0].decode()
        file.create_dataset("model_weights/y/kernel:0", data=np.ones((2, 3), np.float32))
    return [path.read_bytes()]


def _read_hdf5(data: bytes) -> object:
    from pi_classifier_training.importing.keras_files import h5_topology

    return h5_topology(as_file("model.h5", data))


def _state_dicts() -> list[bytes]:
    arrays = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(1)}
    return [torch_files.saved(arrays, old=old) for old in (False, True)]


def _read_state_dict(data: bytes) -> object:
    from pi_classifier_training.networks.state_dict import read_state_dict

    return read_state_dict(as_file("weights.pth", data))


def _read_whole_graph(data: bytes) -> object:
    from pi_classifier.modelfile.model_graph import read_model_graph

    return read_model_graph(data)


_KEY = ModelKey(bytes(32), "key")


def _encrypted() -> list[bytes]:
    return [encrypt_model(b"TFL3" * 20, _KEY)]


def _decrypt(data: bytes) -> None:
    path = as_file("model.tflite", data)
    with path.open("rb") as file:
        decrypt_model(path, file, _KEY)


TARGETS = (
    Target("graph", _graphs, lambda d: read_graph(memoryview(d)), (DamagedBuffer, ModelMismatch)),
    Target(
        "model",
        lambda: [_finished()],
        lambda data: read_model_bytes(data, "model.tflite"),
        (ModelFileError, ModelMismatch),
    ),
    Target(
        "metadata",
        _metadata,
        lambda data: read_metadata(Table.root(memoryview(data), b"M001")),
        (DamagedBuffer, ModelMismatch),
    ),
    Target("archive", _archives, _read_archive, (ModelFileError,)),
    Target(
        "manifest",
        _manifests,
        lambda data: parse_manifest(data, MANIFEST_NAME, 4),
        (ModelFileError, ModelMismatch),
    ),
    Target("labels", _labels, _read_labels, (ModelFileError,)),
    Target("configuration", _configurations, _read_configuration, (ConfigError,)),
    Target("assignment", _assignments, _read_assignment, (ConfigError,)),
    Target(
        "cascade",
        _cascades,
        lambda data: read_cascade_file(as_file("cascade.toml", data)),
        (ModelFileError,),
    ),
    Target("sound", _sounds, lambda data: check_speech(as_file("a.wav", data)), (SinkError,)),
    Target("photo", _photos, _read_photo, (ImageError,)),
    Target("recording", _recordings, _read_recording, (ConfigError,)),
    Target("video", _videos, _read_video, (VideoError,)),
    Target("encrypted", _encrypted, _decrypt, (ModelFileError, ConfigError)),
    Target("inspected-graph", _graphs, _read_whole_graph, (ModelFileError,)),
    Target("import-archive", _foreign_archives, _unpack, (ExportError,)),
    Target("import-description", _descriptions, _read_description, (ExportError,)),
    Target("import-hdf5", _hdf5, _read_hdf5, (ExportError,)),
    Target("state-dict", _state_dicts, _read_state_dict, (ExportError,)),
    Target(
        "import-labels",
        lambda: [b'{"labels": ["daisy", "rose"], "packageName": "@teachablemachine/image"}'],
        _read_browser_labels,
        (ExportError,),
    ),
)
