"""What is refused, and how; run ``python -m tests.refused_files`` to write the page anew.

Every row of docs/reference/refused-files.md is an input that is made here, given to the real
command line, and shown with what that answers. A new row is a `Case` more in one of the
generators below, or a generator more in `SECTIONS`.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import logging
import os
import re
import socket
import struct
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from unittest.mock import patch

import numpy as np
from pi_classifier_training.cli import main as bench

from pi_classifier.cli import main as device
from pi_classifier.modelfile.encryption import ModelKey, encrypt_model
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.speech.speaker import make_synthesizer
from pi_classifier.speech.wavfile import SPEECH_FORMAT, WavFormat
from tests.tflite_models import Fields, put_together, take_apart

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "refused-files.md"
DATA = ROOT / "tests" / "data"
MODEL = DATA / "int8.tflite"
LABELS = ("background", "cyan", "magenta", "yellow")
NETWORK = (DATA / "bare.tflite").read_bytes()


@dataclass(frozen=True, slots=True)
class Case:
    """An input: in words, how it is made in the working folder, and what is given it."""

    what: str
    make: Callable[[], object]
    arguments: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What the program said last, without its name, and how it ended."""

    sentence: str
    code: int


def file(name: str, content: bytes | str) -> Callable[[], object]:
    """Makes a file of the working folder."""
    data = content.encode() if isinstance(content, str) else content
    return lambda: Path(name).write_bytes(data)


def nothing() -> None:
    """Makes nothing: the input is not there."""


def finished(manifest: Mapping[str, Any] | str, *, network: bytes = NETWORK) -> bytes:
    """A network with labels and a ``pi_classifier.json``, a text or an object."""
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return archived({"labels.txt": "\n".join(LABELS), "pi_classifier.json": text}, network=network)


def archived(
    files: Mapping[str, str | bytes],
    *,
    network: bytes = NETWORK,
    method: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """A network with an archive behind it."""
    content = io.BytesIO(network)
    with zipfile.ZipFile(content, "a", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def without_archive(data: bytes) -> bytes:
    """The network of a model file of this project."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return data[: min(member.header_offset for member in archive.infolist())]


def models() -> Iterator[Case]:
    def case(what: str, content: bytes | str, name: str = "x.tflite") -> Case:
        return Case(what, file(name, content), ["classify", "--model", name, "photo.jpg"])

    own = MODEL.read_bytes()
    yield Case("no such file", nothing, ["classify", "--model", "x.tflite", "photo.jpg"])
    yield case("an empty file", b"")
    yield case("random bytes", np.random.default_rng(0).bytes(5000))
    yield case("a download that ended early", own[: len(own) // 2])
    yield case("one byte changed", own[:4000] + bytes([own[4000] ^ 255]) + own[4001:])
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
    yield case("a Git LFS pointer", pointer)
    yield case("a web page", "<!DOCTYPE html><html><body>Sign in</body></html>")
    yield case("a Keras model", b"\x89HDF\r\n\x1a\n" + bytes(100))
    yield case("a photo", b"\xff\xd8\xff\xe0" + bytes(100))
    yield case("an object detector", (DATA / "detector.tflite").read_bytes())
    yield case("a network without labels", NETWORK)
    labels_only = archived({"labels.txt": "\n".join(LABELS)}, network=without_archive(own))
    yield case("a file of this project that lost its `pi_classifier.json`", labels_only)
    bomb = archived({"pi_classifier.json": bytes(20_000_000)})
    yield case("a packed file of 20 MB", bomb)
    bzip2 = archived({"big": bytes(1_000_000)}, method=zipfile.ZIP_BZIP2)
    yield case("an archive packed with bzip2", bzip2)
    yield case("an archive of 200 files", archived({str(number): "" for number in range(200)}))
    sound = archived({"pi_classifier.json": "{ }"}, method=zipfile.ZIP_STORED)
    yield case("a wrong checksum in the archive", sound.replace(b"{ }", b"{  "))


def lying_models() -> Iterator[Case]:
    """Networks that are whole and well formed, and say of themselves what cannot be."""

    def case(what: str, change: Callable[[Fields, list[Fields]], object]) -> Case:
        network = take_apart(NETWORK)
        network["metadata"] = None
        change(network, network["subgraphs"][0]["tensors"])
        make = file("x.tflite", archived({"labels.txt": ""}, network=put_together(network)))
        return Case(what, make, ["classify", "--model", "x.tflite", "photo.jpg"])

    def operator(network: Fields, code: int) -> Fields:
        codes = [kind["builtin_code"] for kind in network["operator_codes"]]
        operators: list[Fields] = network["subgraphs"][0]["operators"]
        return next(one for one in operators if codes[one["opcode_index"]] == code)

    def weights(network: Fields, tensors: list[Fields]) -> Fields:
        place: int = operator(network, 3)["inputs"][1]
        return tensors[place]

    yield case("a convolution with an input less", lambda n, _: operator(n, 4)["inputs"].pop())
    yield case("a softmax that is another operator",
               lambda n, _: n["operator_codes"][operator(n, 25)["opcode_index"]].update(
                   deprecated_builtin_code=127, builtin_code=144))  # fmt: skip
    yield case("scales without zero points",
               lambda n, t: weights(n, t)["quantization"].update(zero_point=None))  # fmt: skip
    yield case("weights that are longer in their shape than in the file",
               lambda n, t: weights(n, t).update(shape=[64, 64, 64, 64]))  # fmt: skip
    yield case("a step of no pixels",
               lambda n, _: operator(n, 3)["builtin_options"].update(stride_w=0))  # fmt: skip
    yield case("operators in the wrong order",
               lambda n, _: n["subgraphs"][0]["operators"].reverse())  # fmt: skip


def encrypted_models() -> Iterator[Case]:
    key = ModelKey(bytes(32), "")
    whole = encrypt_model(MODEL.read_bytes(), key)

    def case(
        what: str, content: bytes, key_text: str = key.secret.hex(), mode: int = 0o600
    ) -> Case:
        def make() -> None:
            file("x.tflite.enc", content)()
            file("key", key_text)()
            Path("key").chmod(mode)

        named = ["--set", "model.key_file=key"] if key_text else []
        return Case(what, make, ["classify", "--model", "x.tflite.enc", *named, "photo.jpg"])

    yield case("no key", whole, "")
    yield case("another key", whole, "ff" * 32)
    yield case("a key that others can read", whole, mode=0o644)
    yield case("a file that is no key", whole, "secret")
    yield case("one byte changed", whole[:-1] + bytes([whole[-1] ^ 255]))
    yield case("a download that ended early", whole[: len(whole) // 2])
    yield case("a newer version", whole.replace(b"model 1\n", b"model 2\n", 1))
    yield case("a photo, encrypted", encrypt_model(b"\xff\xd8\xff\xe0" + bytes(100), key))


def manifests() -> Iterator[Case]:
    def case(what: str, manifest: Mapping[str, Any] | str) -> Case:
        arguments = ["classify", "--model", "x.tflite", "--labels", "labels.txt", "photo.jpg"]
        return Case(what, lambda: (file("x.tflite", finished(manifest))(), labels()), arguments)

    labels = file("labels.txt", "\n".join(LABELS))
    yield case("of another version", {"schema_version": 2})
    yield case("nested 100,000 deep", "[" * 100_000)
    yield case("a number of 400 digits", {"golden": {"tolerance": 10**400}})
    yield case("a number beyond all bounds", '{"golden": {"tolerance": 1e999}}')
    yield case("not a number", '{"golden": {"tolerance": NaN}}')
    yield case("65 pictures for the self-test", {"golden": {"vectors": [{}] * 65}})
    yield case("a checksum that is none", {"flatbuffer": {"bytes": 9, "sha256": "x"}})
    yield case("another network's size", {"input": {"size": [99, 99]}})
    yield case("an unknown silent label", {"silent_labels": ["daisy"]})
    log_linear = {"score": "log-linear", "weights": [1.0, 1.0], "floor": 0.001, "threshold": 0.5}
    yield case("unknown rejection by two weights for four labels", {"unknown": log_linear})
    yield case("unknown rejection in another way", {"unknown": {"score": "energy"}})


def label_files() -> Iterator[Case]:
    def case(what: str, content: bytes | str) -> Case:
        arguments = ["classify", "--model", str(MODEL), "--labels", "labels.txt", "photo.jpg"]
        return Case(what, file("labels.txt", content), arguments)

    yield case("an empty file", "")
    yield case("three labels for four outputs", "a\nb\nc\n")
    yield case("a blank line", "a\n\nb\nc\n")
    yield case("equal labels", "a\na\nb\nc\n")
    yield case("labels that differ in what cannot be seen", "a\n\x1b[31ma\x1b[0m\nb\nc\n")
    yield case("a label of which nothing can be seen", "a\n\u200b\nb\nc\n")
    yield case("a label of 300 characters", "a" * 300 + "\nb\nc\nd\n")
    yield case("numbers with a gap", "0 a\n1 b\n3 c\n")
    yield case("UTF-16", "a\nb\nc\nd\n".encode("utf-16"))
    yield case("Latin-1", "gänseblümchen\nb\nc\nd\n".encode("latin-1"))
    yield case("a detector's label map", "item {\n  id: 1\n  name: 'a'\n}\n")
    yield case("100,001 lines", "a\n" * 200_001)
    yield case("5 MB", "a" * 5_000_000)


def cascades() -> Iterator[Case]:
    def case(what: str, content: bytes | str) -> Case:
        return Case(
            what,
            file("cascade.toml", content),
            ["classify", "--model", "cascade.toml", "photo.jpg"],
        )

    stage = f'[[stage]]\nmodel = "{MODEL}"\n'
    yield case("not TOML", "[[stage]")
    yield case("no stage", 'name = "none"\n')
    yield case("a stage without its model", "[[stage]]\naccept = 0.5\n")
    yield case("a model that is not there", '[[stage]]\nmodel = "none.tflite"\n')
    yield case("a threshold above 1", stage + "accept = 1.5\n")
    yield case("a threshold of 400 digits", f"{stage}accept = {10**400}\n")
    yield case("a word that is none", stage + "acept = 0.5\n")


def configurations() -> Iterator[Case]:
    def case(what: str, content: bytes | str) -> Case:
        arguments = ["config", "--config", "my.toml"]
        return Case(what, file("my.toml", content), arguments)

    yield Case("no such file", nothing, ["config", "--config", "my.toml"])
    yield case("not TOML", "[camera]\nfps 5\n")
    yield case("Latin-1", '[speech]\nphrase = "für {label}"\n'.encode("latin-1"))
    yield case("a setting that is none", "[camera]\nfsp = 5\n")
    yield case("a setting without its section", "fps = 5\n")
    yield case("a number out of bounds", "[decision]\npatience = 0\n")
    yield case("a number beyond all bounds", "[decision]\nrefractory_s = 1e300\n")
    yield case("a number of 400 digits", f"[camera]\nfps = {10**400}\n")
    yield case("not a number", "[decision]\nrefractory_s = nan\n")
    yield case("two mistakes", "[decision]\npatience = 0\nhigh = 3\n")
    yield case("2 MB", "#" * 2_000_000)


def model_settings() -> Iterator[Case]:
    def case(what: str, data: str, settings: str, path: str = "x.tflite") -> Case:
        def make() -> None:
            content = (DATA / data).read_bytes()
            Path("x.tflite").write_bytes(content)
            Path("bare.tflite").write_bytes(
                without_archive(content).replace(b"TFLITE_METADATA", b"NONE_OF_IT_HERE")
            )
            Path("labels.txt").write_text("\n".join(LABELS))
            stage = '[[stage]]\nmodel = "x.tflite"\n'
            stages = f'name = "pair"\n{stage}accept = 0.9\n{stage}'
            Path("cascade.toml").write_text(stages)
            Path("my.toml").write_text(f'[model]\npath = "{path}"\n{settings}\n')

        return Case(what, make, ["config", "--check", "--config", "my.toml"])

    yield case("blue first, of a gray network", "gray.tflite", 'channels = "bgr"')
    colors = "mean = [123.7, 116.8, 103.9]\nstd = [1, 1, 1]"
    yield case("a mean for each color, of a gray network", "gray.tflite", colors)
    labels = 'labels = "labels.txt"'
    yield case("no mean, of a network of half floats", "float16.tflite", labels, "bare.tflite")
    several = "[decision]\nmultiple = true"
    yield case("several labels, of scores that share 100 %", "float32.tflite", several)
    yield case("several labels, of a cascade", "independent.tflite", several, "cascade.toml")


def photos() -> Iterator[Case]:
    def case(what: str, name: str, content: bytes | str) -> Case:
        return Case(what, file(name, content), ["classify", "--model", str(MODEL), name])

    yield Case("no such file", nothing, ["classify", "--model", str(MODEL), "none.jpg"])
    yield case("an empty file", "x.jpg", b"")
    yield case("text", "x.jpg", "not a photo")
    postscript = "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n"
    yield case("PostScript with a photo's name", "x.jpg", postscript)
    yield case("a picture of four billion pixels", "x.png", png(65535, 65535))
    yield case("a PNG of 89 million pixels", "x.png", png(10900, 8200))


def png(width: int, height: int) -> bytes:
    """A PNG that says how large it is, and holds nothing."""
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        size, checksum = struct.pack(">I", len(data)), struct.pack(">I", zlib.crc32(kind + data))
        return size + kind + data + checksum

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0"))
        + chunk(b"IEND", b"")
    )


def sounds() -> Iterator[Case]:
    def case(what: str, make: Callable[[], object]) -> Case:
        def both() -> None:
            keep_phrase("hello")
            make()

        return Case(what, both, ["say", "hello", *SPEECH_SETTINGS])

    yield case("text where speech is to be added", file("out.wav", "words, words" * 9))
    head = WavFormat(channels=2, framerate=8000).header(0)
    yield case("a WAV file of another kind", file("out.wav", head))
    yield case("a pipe where speech is to be added", lambda: os.mkfifo("out.wav"))
    yield Case("text that is not UTF-8", nothing, ["say", "caf\udce9"])


SPEECH_SETTINGS = tuple(
    word
    for setting in ("engine=espeak-ng", "cache_dir=kept", "output=wav:out.wav")
    for word in ("--set", f"speech.{setting}")
)


def keep_phrase(text: str) -> None:
    """Keep the sound of a phrase, so that no speech engine is needed."""
    settings = SpeechSettings(engine="espeak-ng", cache_dir="kept")
    with contextlib.closing(make_synthesizer(settings)) as synthesizer:
        path = synthesizer.path(text)
    path.parent.mkdir()
    path.write_bytes(SPEECH_FORMAT.file(np.full((4000, 1), 0x4000, np.int16)))


def imports() -> Iterator[Case]:
    def case(what: str, name: str, content: bytes | str) -> Case:
        arguments = ["pi-classifier-train", "import", name, "-o", "out.tflite"]
        return Case(what, file(name, content), arguments)

    def archive(names: Sequence[str], method: int = zipfile.ZIP_DEFLATED) -> bytes:
        return archived(dict.fromkeys(names, b"1"), network=b"", method=method)

    yield case("a ZIP file whose entry leads out of it", "x.zip", archive(["../x.tflite"]))
    yield case("a ZIP file packed with LZMA", "x.zip", archive(["x.tflite"], zipfile.ZIP_LZMA))
    yield case("a ZIP file without a model", "x.zip", archive(["notes.txt"]))
    yield case("a ZIP file of 5,000 files", "x.zip", archive([f"{n}" for n in range(5000)]))
    yield case("text", "x.txt", "no model")
    yield Case("a pipe", lambda: os.mkfifo("x.tflite"),
               ["pi-classifier-train", "import", "x.tflite", "-o", "out.tflite"])  # fmt: skip


def cameras() -> Iterator[Case]:
    def case(what: str, source: str, make: Callable[[], object] = nothing) -> Case:
        return Case(what, make, ["record", "--camera", source, "recording"])

    def recording(text: str) -> Callable[[], object]:
        def make() -> None:
            Path("photos").mkdir()
            file("photos/recording.jsonl", text)()

        return make

    head = '{"recording": 1}\n'
    yield case("a name that is none", "emulatd")
    yield case("a folder that is not there", "replay:none")
    yield case("a folder without photos", "replay:photos", lambda: Path("photos").mkdir())
    yield case("a recording without frames", "replay:photos", recording(head))
    yield case("a recording of another version", "replay:photos", recording('{"recording": 2}\n'))
    yield case("a damaged recording", "replay:photos", recording(head + "{]\n"))
    leads_out = '{"sequence": 0, "timestamp_ns": 0, "picture": "../x.png"}\n'
    yield case("a recording whose picture lies elsewhere", "replay:photos",
               recording(head + leads_out))  # fmt: skip
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:/etc/passwd\n#EXT-X-ENDLIST\n"
    yield case("a playlist as video", "replay:x.m3u8", file("x.m3u8", playlist))
    joined = "ffconcat version 1.0\nfile secret.mp4\n"
    yield case("a list of videos as video", "replay:x.ffconcat", file("x.ffconcat", joined))
    yield case("an address without a host", "http:///snapshot.jpg")
    yield case("a password with a slash in it", "rtsp://admin:abc/def@192.168.1.20/stream")
    yield case("a password with a hash sign in it", "rtsp://admin:p@ss#w0rd@192.168.1.20/stream")
    yield case("a camera that is not there", "http://admin:secret@127.0.0.1:9/snapshot.jpg")


def special_files() -> Iterator[Case]:
    photo = ["classify", "--model", str(MODEL)]

    def a_socket() -> None:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind("socket")

    yield Case("a pipe as model", lambda: os.mkfifo("pipe"),
               ["classify", "--model", "pipe", "photo.jpg"])  # fmt: skip
    yield Case("a device as model", nothing, ["classify", "--model", "/dev/zero", "photo.jpg"])
    yield Case("a pipe as label file", lambda: os.mkfifo("pipe"),
               [*photo, "--labels", "pipe", "photo.jpg"])  # fmt: skip
    yield Case("a device as label file", nothing, [*photo, "--labels", "/dev/zero", "photo.jpg"])
    yield Case(
        "a pipe as configuration", lambda: os.mkfifo("pipe"), ["config", "--config", "pipe"]
    )
    yield Case("a device as configuration", nothing, ["config", "--config", "/dev/zero"])
    yield Case("a pipe as photo", lambda: os.mkfifo("pipe.jpg"), [*photo, "pipe.jpg"])
    yield Case("a socket as photo", a_socket, [*photo, "socket"])
    yield Case("a folder as photo", nothing, [*photo, "."])
    yield Case("a device as a cascade's model",
               file("cascade.toml", '[[stage]]\nmodel = "/dev/zero"\n'),
               ["classify", "--model", "cascade.toml", "photo.jpg"])  # fmt: skip


SECTIONS: Mapping[str, Callable[[], Iterator[Case]]] = {
    "Models": models,
    "Models that are whole and lie": lying_models,
    "Encrypted models": encrypted_models,
    "`pi_classifier.json` in a model": manifests,
    "Label files": label_files,
    "`cascade.toml`": cascades,
    "Configuration": configurations,
    "What a model is told": model_settings,
    "Photos": photos,
    "Sounds": sounds,
    "Cameras": cameras,
    "Special files": special_files,
    "`pi-classifier-train import`": imports,
}


def answer(case: Case) -> Answer:
    """Make the input in a folder of its own and ask the program, in this process."""
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
        # Nobody's own configuration, and no journal.
        patch.dict(os.environ, {"HOME": _home().name, "JOURNAL_STREAM": ""}),
    ):
        case.make()
        with _streams() as stderr:
            code = _run(case.arguments)
            stderr.seek(0)
            said = stderr.read().decode()
    for place, name in ((f"{DATA}/", ""), (str(ROOT), "CLONE"), (folder, "FOLDER")):
        said = said.replace(place, name)
    return Answer(
        re.split(r"^pi-classifier[a-z-]*: error: ", said.rstrip("\n"), flags=re.MULTILINE)[-1],
        code,
    )


@functools.cache
def _home() -> tempfile.TemporaryDirectory[str]:
    """One home folder for all, so that a model that passes is tried once."""
    return tempfile.TemporaryDirectory()


def _run(arguments: Sequence[str]) -> int:
    name, *words = arguments
    try:
        return bench(words) if name == "pi-classifier-train" else device(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    finally:
        sys.stderr.flush()
        root = logging.getLogger()
        for handler in root.handlers[:]:
            root.removeHandler(handler)
            handler.close()


@contextlib.contextmanager
def _streams() -> Iterator[BinaryIO]:
    """Catch what is written to stderr, by Python or to its descriptor as the log does."""
    with (
        tempfile.TemporaryFile() as said,
        Path(os.devnull).open("w", encoding="utf-8") as nowhere,
        open(os.dup(said.fileno()), "w", encoding="utf-8") as stderr,  # noqa: PTH123
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(stderr),
    ):
        saved = os.dup(2)
        os.dup2(said.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def page_of(answers: Iterable[tuple[str, Case, Answer]]) -> str:
    """The page: for each heading the inputs, what was said of them, and the code."""
    return "\n".join(_lines(answers)) + "\n"


def _lines(answers: Iterable[tuple[str, Case, Answer]]) -> Iterator[str]:
    yield from _INTRODUCTION.splitlines()
    last = ""
    for heading, case, said in answers:
        if heading != last:
            yield from ("", f"## {heading}", "")
            yield "| input | what is said | exit code |"
            yield "|---|---|---|"
        last = heading
        sentence = said.sentence.replace("|", "\\|").replace("\n", "<br>")
        yield f"| {case.what} | {sentence} | {said.code} |"


_INTRODUCTION = """\
# What is refused

<!-- Written by `python -m tests.refused_files`; a test compares it. -->

Files come from anywhere. What is wrong with one is said in one sentence, before anything else
happens, and the program ends with a code that tells systemd whether another try can help:
65 a photo that cannot be read, 74 the machine refuses now, 75 the camera is not there, 78 a
file or setting is wrong (not tried again). 2 is a wrong command line.
"""

if __name__ == "__main__":
    every = ((heading, case) for heading, cases in SECTIONS.items() for case in cases())
    PAGE.write_text(page_of((heading, case, answer(case)) for heading, case in every), "utf-8")
