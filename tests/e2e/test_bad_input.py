"""What a user can do wrong: one clear message, the documented exit code, no traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]

DATA = Path(__file__).parents[1] / "data"
MODEL = DATA / "int8.tflite"


def refused(done: subprocess.CompletedProcess[str], code: int) -> str:
    """The one message of a program that printed nothing else and ended with `code`."""
    assert done.stdout == ""
    assert done.returncode == code, done.stderr
    messages = [line for line in done.stderr.splitlines() if "pi-classifier: error: " in line]
    assert len(messages) == 1
    assert done.stderr.splitlines()[-1] == messages[0]
    return messages[0]


def without_self_test(data: bytes) -> bytes:
    """The model with golden scores that no network of its kind gives."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        start = min(member.header_offset for member in archive.infolist())
        files = {member.filename: archive.read(member) for member in archive.infolist()}
    manifest = json.loads(files["pi_classifier.json"])
    for vector in manifest["golden"]["vectors"]:
        vector["scores"].reverse()
    files["pi_classifier.json"] = json.dumps(manifest).encode()
    changed = io.BytesIO(data[:start])
    with zipfile.ZipFile(changed, "a") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return changed.getvalue()


SPOILT: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda _: b"", "is empty; copy the file again"),
    "truncated": (lambda data: data[: len(data) // 2], "copy the file again"),
    "tail lost": (lambda data: data[:-200], "copy it again"),
    "random": (lambda _: np.random.default_rng(1).bytes(5000), "is not a TFLite model"),
    "one bit": (lambda data: data[:4000] + b"\xff" + data[4001:], "copy the file again"),
    "self-test": (without_self_test, "fails its self-test"),
}


@pytest.mark.parametrize("kind", SPOILT)
@pytest.mark.parametrize("command", ["run", "classify"])
def test_spoilt_models(program: Program, tmp_path: Path, kind: str, command: str) -> None:
    spoil, message = SPOILT[kind]
    model = tmp_path / "model.tflite"
    model.write_bytes(spoil(MODEL.read_bytes()))
    arguments = ("--no-speech", "--camera", "emulated") if command == "run" else ("photo.jpg",)
    shown = refused(program(command, "--model", model, *arguments), 78)
    assert str(model) in shown
    assert message in shown


def test_models_that_are_no_classifiers(program: Program) -> None:
    shown = refused(program("classify", "--model", DATA / "detector.tflite", "photo.jpg"), 78)
    assert "as object detectors do; expected a classifier" in shown


def test_models_that_are_not_there(program: Program, tmp_path: Path) -> None:
    shown = refused(program("run", "--model", tmp_path / "missing.tflite"), 78)
    assert "missing.tflite: no such file" in shown
    shown = refused(program("run", "--model", "zzz"), 78)
    assert "model zzz: no such file, and no model of that name in" in shown


@pytest.mark.parametrize("count", [3, 5])
def test_labels_that_do_not_fit(program: Program, tmp_path: Path, count: int) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"label {number}\n" for number in range(1, count + 1)))
    shown = refused(program("classify", "--model", MODEL, "--labels", labels, "photo.jpg"), 78)
    assert f"has 4 outputs, but there are {count} labels in {labels}" in shown


def test_label_files_that_are_none(program: Program, tmp_path: Path) -> None:
    arguments = ("classify", "--model", MODEL, "photo.jpg", "--labels")
    assert "no such label file" in refused(program(*arguments, tmp_path / "missing.txt"), 78)
    assert "is not a label file" in refused(program(*arguments, MODEL), 78)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--set", "camera.fsp=5"), 78, "camera.fsp = 5: no such setting. Did you mean 'fps'?"),
        (("--set", "camera.fps=fast"), 78, 'camera.fps = "fast": expected a number from'),
        (("--set", "camera"), 78, "--set camera: expected section.key=value"),
        (("--frames", "0"), 2, "argument --frames: '0': expected a whole number, 1 or more"),
        (("--camera", "emulatd"), 78, "no such camera. Did you mean 'emulated'?"),
        (("--camera", "pi"), 75, 'camera "pi"'),
        (("--camera", "replay:empty"), 78, "no photos in it"),
        (("--camera", "replay:missing"), 78, "there is no such folder"),
        (("--camera", "replay:unreadable"), 78, "none of its 1 photos can be read"),
        (("--config", "missing.toml"), 78, "missing.toml: cannot be read: No such file"),
        (("--config", "broken.toml"), 78, "broken.toml:2: not valid TOML: "),
        (("--mean", "127.5"), 78, "a normalization needs both"),
        (("--set", "speech.phrase=I see {lable}"), 78, "'{lable}' means nothing here"),
        (("--set", "speech.output=loud"), 78, "speech.output = 'loud': expected auto"),
    ],
)
def test_settings(
    program: Program, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "unreadable").mkdir()
    (tmp_path / "unreadable/text.jpg").write_text("not a photo")
    (tmp_path / "broken.toml").write_text("[camera]\nfps = = 5\n")
    more = () if "speech" in arguments[-1] else ("--no-speech",)
    camera = () if "--camera" in arguments else ("--camera", "emulated")
    done = program("run", "--model", MODEL, *camera, *more, *arguments)
    assert message in refused(done, code)


def test_all_mistakes_of_a_configuration_at_once(program: Program, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[camera]\nfsp = 5\nwidth = 'wide'\n[speach]\nenabled = true\n")
    done = program("run", "--config", file, "--set", "run.frames=-1")
    assert done.returncode == 78
    assert done.stderr.splitlines() == [
        "pi-classifier: error: 4 errors in the configuration:",
        f"  {file}: camera.fsp = 5: no such setting. Did you mean 'fps'?",
        f'  {file}: camera.width = "wide": expected a whole number from 16 to 8192.',
        f"  {file}: [speach]: no such section. Did you mean 'speech'?",
        '  --set: run.frames = -1: expected a whole number, 1 or more, or "none".',
    ]


def test_images_that_are_none_do_not_stop_the_others(
    program: Program, photos: Path, tmp_path: Path
) -> None:
    good = photos / "0-first-cyan.png"
    text, damaged = tmp_path / "text.jpg", tmp_path / "damaged.png"
    text.write_text("not a photo")
    damaged.write_bytes(good.read_bytes()[:200])
    bad = [text, damaged, tmp_path / "missing.jpg", photos]
    done = program("classify", "--json", "--model", MODEL, *bad, good)
    assert done.returncode == 65
    assert [json.loads(line)["image"] for line in done.stdout.splitlines()] == [str(good)]
    lines = done.stderr.splitlines()
    assert len(lines) == len(bad)
    for line, image in zip(lines, bad, strict=True):
        assert line.startswith(f"pi-classifier: error: {image}: ")


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "pi_classifier", "config"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(DATA.parents[1]), "HOME": str(tmp_path)},
        )
    assert done.returncode == 74
    assert done.stderr == "pi-classifier: error: No space left on device\n"
