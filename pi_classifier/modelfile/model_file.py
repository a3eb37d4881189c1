"""The only reader of model files: a ``.tflite`` with its metadata, labels and self-test.

A model file is a TFLite flatbuffer with, at its end, a ZIP archive of associated
files (``labels.txt`` and, in files of this project, ``pi_classifier.json``). Foreign
files lack some of this; what is missing is looked up in a stated order or asked for,
never guessed silently.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pi_classifier.errors import ModelFileError, ModelMismatch, PiClassifierError
from pi_classifier.modelfile.associated_files import read_associated_files
from pi_classifier.modelfile.encryption import plain_stem
from pi_classifier.modelfile.file_kinds import refuse_other_kinds
from pi_classifier.modelfile.flatbuffer import DamagedBuffer
from pi_classifier.modelfile.labels import (
    LABELS_NAME,
    LARGEST_BYTES,
    check_labels,
    parse_labels,
    read_labels,
    silent_labels,
)
from pi_classifier.modelfile.manifest import (
    LARGEST_MANIFEST,
    LONGEST_NAME,
    MANIFEST_NAME,
    Manifest,
    parse_manifest,
)
from pi_classifier.modelfile.model_copy import ModelSource, mapped_model
from pi_classifier.modelfile.picture_input import (
    Channels,
    channels_of,
    known_normalization,
    picture_shape,
    require_normalization,
)
from pi_classifier.modelfile.tflite_graph import Activation, Graph, TensorSpec, read_graph
from pi_classifier.modelfile.tflite_metadata import Metadata, Normalization
from pi_classifier.modelfile.ultralytics import (
    EXPORT_TABLES,
    LARGEST_TABLE,
    Export,
    read_export,
)
from pi_classifier.printable import printable
from pi_classifier.system.memory_file import MemoryFile

# Labels, and where they are from.
Named = tuple[tuple[str, ...], str]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class ModelFile:
    """All that is known of a model before it runs.

    `input` is a picture (`picture_shape`) whose channels have the order `channels`; `output`
    has a score for each of `labels`, or one for two labels. `normalization` is of red, green,
    blue; None where pixels go in as they are, and in models not read to run that need one.
    `labels_source` says where the labels were found. `file` is what is mapped: the copy of
    the file at `path`, or itself; `memory` holds one open that was decrypted. Of a model that
    was read from memory `content` is the whole file instead.
    """

    path: Path
    sha256: str
    size_bytes: int
    name: str
    input: TensorSpec
    channels: Channels
    output: TensorSpec
    activation: Activation
    labels: tuple[str, ...]
    labels_source: str
    normalization: Normalization | None
    metadata: Metadata | None
    manifest: Manifest
    file: Path | None = None
    content: bytes | None = None
    memory: MemoryFile | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return picture_shape(self.input.shape).size


def read_model_file(
    path: str | Path | ModelSource,
    labels: str | Path | None = None,
    normalization: Normalization | None = None,
    *,
    channels: Channels | None = None,
    to_run: bool = True,
    verified: bool = False,
    edge_tpu: bool = False,
) -> ModelFile:
    """Read and check the model file at `path`, or the copy of one.

    `verified`: a copy of this checksum was sound before, so that it is not hashed again.
    `labels` names a label file that takes precedence over the model's own;
    `normalization` (of red, green, blue) and `channels` likewise; the former may be missing
    where it is not `to_run`. `edge_tpu`: a model that is compiled for one can be run. Raises
    `ModelFileError` for a missing or damaged file, `ModelMismatch` for no usable classifier.
    """
    source = path if isinstance(path, ModelSource) else ModelSource(Path(path), Path(path), "")
    path, known = source.path, source.sha256 if verified and source.is_copied else None
    with _errors_naming(path):
        data = mapped_model(source.file, path)
        model = _read(path, data, None, labels, normalization, channels, known, edge_tpu)
        model = replace(model, file=source.file, memory=source.memory)
        if to_run:
            require_normalization(model.normalization, model.input.dtype)
        return model


def read_model_bytes(
    content: bytes,
    name: str,
    labels: str | Path | None = None,
    normalization: Normalization | None = None,
    *,
    channels: Channels | None = None,
) -> ModelFile:
    """Read and check a model file from memory, as `read_model_file` does from the disk.

    `name` stands for its path. Labels are not looked for beside it.
    """
    path = Path(name)
    with _errors_naming(path):
        model = _read(path, memoryview(content), content, labels, normalization, channels)
        require_normalization(model.normalization, model.input.dtype)
        return model


@contextlib.contextmanager
def _errors_naming(path: Path) -> Iterator[None]:
    try:
        yield
    except DamagedBuffer as error:
        raise ModelFileError(f"{path}: {error.sentence}") from None
    except ModelMismatch as error:
        if str(error).startswith(str(path)):
            raise
        raise ModelMismatch(f"{path}: {error}") from None
    except (PiClassifierError, OSError, MemoryError):
        raise
    except Exception as error:
        what = f"{type(error).__name__}: {error}"
        raise ModelFileError(
            f"{path}: cannot be read as a model ({what}); the file is damaged: copy it again"
        ) from error


def _read(
    path: Path,
    data: memoryview,
    content: bytes | None,
    labels: str | Path | None,
    stated: Normalization | None,
    channels: Channels | None,
    sha256: str | None = None,
    edge_tpu: bool = False,
) -> ModelFile:
    refuse_other_kinds(path, data)
    graph = read_graph(data, edge_tpu=edge_tpu)
    members = _associated_files(path, data, graph)
    manifest = _manifest(path, graph, members.get(MANIFEST_NAME))
    sha256 = sha256 or _checksum(path, data, manifest)
    export = read_export(members, str(path))
    find = partial(_labels, path, graph, members, export, beside=content is None)
    names, source, silent = _named(find, manifest, labels)
    manifest = replace(manifest, silent_labels=silent)
    _check_labels(path, graph, names, source, manifest)
    channels = channels_of(graph.picture, graph.metadata, manifest.channels, channels)
    return ModelFile(
        path=path,
        sha256=sha256,
        size_bytes=len(data),
        name=manifest.name or printable(plain_stem(path), LONGEST_NAME),
        input=graph.input,
        channels=channels,
        output=graph.output,
        activation=graph.activation,
        labels=names,
        labels_source=source,
        normalization=known_normalization(graph.metadata, channels, stated)
        or (export.normalization if export is not None else None),
        metadata=graph.metadata,
        manifest=manifest,
        content=content,
    )


def _associated_files(path: Path, data: memoryview, graph: Graph) -> dict[str, bytes]:
    """The model's manifest and label file, as far as they are in its archive."""
    most_bytes = {MANIFEST_NAME: LARGEST_MANIFEST}
    if graph.metadata is not None and graph.metadata.label_file is not None:
        most_bytes[graph.metadata.label_file] = LARGEST_BYTES
    most_bytes |= dict.fromkeys(EXPORT_TABLES, LARGEST_TABLE)
    members = read_associated_files(path, data, most_bytes)
    # Checksum, self-test and silent labels would be gone with it, without a word.
    if MANIFEST_NAME not in members and graph.metadata is not None and graph.metadata.own:
        raise ModelFileError(
            f"{path}: is a model file of this project, but its {MANIFEST_NAME} is missing; the "
            "file was changed or is cut short: copy it again"
        )
    return members


def _manifest(path: Path, graph: Graph, text: bytes | None) -> Manifest:
    if text is None:
        return Manifest()
    manifest = parse_manifest(text, f"{path}: {MANIFEST_NAME}", graph.outputs)
    if manifest.size is not None and manifest.size != graph.picture.size:
        raise ModelMismatch(
            f"{path}: {MANIFEST_NAME} says the input is {list(manifest.size)}, the "
            f"network takes {list(graph.picture.size)}; export the model again"
        )
    return manifest


def _checksum(path: Path, data: memoryview, manifest: Manifest) -> str:
    """Return the file's SHA-256; check that of the flatbuffer where the file states it."""
    end = manifest.flatbuffer_bytes
    if end is None:
        return hashlib.sha256(data).hexdigest()
    if not 0 <= end <= len(data):
        raise ModelFileError(f"{path}: is cut short or damaged; copy the file again")
    total = hashlib.sha256(data[:end])
    if total.hexdigest() != manifest.flatbuffer_sha256:
        raise ModelFileError(f"{path}: is damaged, its checksum is wrong; copy the file again")
    total.update(data[end:])
    return total.hexdigest()


def _labels(
    path: Path, graph: Graph, members: dict[str, bytes], export: Export | None, *, beside: bool
) -> Named:
    """Find the model's own labels: in it, else in a file `beside` it where it is on the disk."""
    inside = graph.metadata.label_file if graph.metadata is not None else None
    if inside is not None:
        if inside not in members:
            raise ModelFileError(
                f"{path}: its metadata name a label file {inside!r} that is missing; the file "
                "is cut short or damaged: copy it again"
            )
        return parse_labels(members[inside], f"{path}: {inside}"), f"{inside} in the model file"
    if export is not None:
        return export.labels, f"{export.member} in the model file"
    stem = plain_stem(path)
    for name in (f"{stem}.labels.txt", f"{stem}.txt", LABELS_NAME, "labelmap.txt"):
        file = path.with_name(name)
        if beside and file.is_file():
            log.info("%s: no labels in the model file, taking those of %s", path, file)
            return read_labels(file), str(file)
    raise ModelMismatch(
        f"{path}: holds no labels and there is no labels.txt beside it; name a file with one "
        f"label a line, {graph.outputs} lines, with --labels FILE"
    )


def _named(
    find: Callable[[], Named], manifest: Manifest, labels: str | Path | None
) -> tuple[tuple[str, ...], str, tuple[str, ...]]:
    """The labels in use, where they are from, and which of them are silent."""
    if labels is None:
        own, source = find()
        return own, source, _silent_labels(manifest, own, own)
    stated = read_labels(Path(labels))
    own = stated
    if manifest.silent_labels:
        own, _ = find()
    return stated, str(labels), _silent_labels(manifest, own, stated)


def _silent_labels(
    manifest: Manifest, own: tuple[str, ...], stated: tuple[str, ...]
) -> tuple[str, ...]:
    """The silent labels, as other labels (in another language, say) name the same outputs."""
    silent = manifest.silent_labels if "silent_labels" in manifest.details else silent_labels(own)
    places = {label: index for index, label in enumerate(own[: len(stated)])}
    return tuple(stated[places[label]] if label in places else label for label in silent)


def _check_labels(
    path: Path, graph: Graph, labels: tuple[str, ...], source: str, manifest: Manifest
) -> None:
    check_labels(path, labels, graph.outputs, source)
    unknown = [label for label in manifest.silent_labels if label not in labels]
    if unknown:
        raise ModelMismatch(
            f"{path}: {MANIFEST_NAME} calls {unknown[0]!r} a silent label, but it is none of "
            "the labels; export the model again"
        )


def upsample_nearest(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Enlarge a golden vector's picture to `size` = (height, width) by nearest neighbor.

    Row i of the result is row ``i * h // H``; columns likewise.
    """
    rows = np.arange(size[0]) * pixels.shape[0] // size[0]
    columns = np.arange(size[1]) * pixels.shape[1] // size[1]
    return np.ascontiguousarray(pixels[rows[:, None], columns])
