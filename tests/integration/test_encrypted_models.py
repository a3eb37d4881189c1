"""Encrypted models run as the plain ones do, and nothing of them is ever on the disk."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pi_classifier import cli
from pi_classifier.errors import ConfigError
from pi_classifier.inference import verifier
from pi_classifier.inference.classifier import (
    ModelClassifier,
    model_files,
    open_classifier,
    open_model,
)
from pi_classifier.inference.interpreter import installed_runtimes
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.encryption import encrypt_model, read_key_file, write_new_key

DATA = Path(__file__).resolve().parents[1] / "data"
PLAIN = DATA / "int8.tflite"

pytestmark = pytest.mark.usefixtures("nothing_has_passed")


@pytest.fixture
def encrypted(tmp_path: Path) -> Path:
    """An encrypted model, with its key beside it in a file called `key`."""
    key = write_new_key(tmp_path / "key")
    path = tmp_path / "int8.tflite.enc"
    path.write_bytes(encrypt_model(PLAIN.read_bytes(), key))
    return path


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def settings(path: Path, cache: Path, runtime: str = "auto") -> ModelSettings:
    key_file = str(path.parent / "key")
    return ModelSettings(str(path), cache_dir=str(cache), runtime=runtime, key_file=key_file)


def scores(classifier: ModelClassifier) -> list[float]:
    pixels = np.random.default_rng(7).integers(0, 256, (*classifier.input_size, 3), np.uint8)
    return [float(score) for score in classifier.raw_scores(pixels)]


def written(folder: Path) -> Iterator[bytes]:
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_it_gives_the_plain_model_s_scores_and_leaves_nothing_of_it(
    encrypted: Path, cache: Path, runtime: str
) -> None:
    with closing(open_model(PLAIN, ModelSettings(cache_dir="", runtime=runtime))) as plain:
        expected, name = scores(plain), plain.name
    with closing(open_model(encrypted, settings(encrypted, cache, runtime))) as classifier:
        assert scores(classifier) == expected
        assert classifier.name == name
    # What is remembered is that it passed.
    assert {path.suffix for path in cache.rglob("*") if path.is_file()} == {".verified"}
    content = PLAIN.read_bytes()
    pieces = [content[start : start + 32] for start in range(0, len(content) - 32, 512)]
    for file in written(encrypted.parent):
        assert not [piece for piece in pieces if len(set(piece)) > 8 and piece in file]


def test_once_it_has_passed_it_is_not_tried_again(
    encrypted: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_model(encrypted, settings(encrypted, cache)).close()
    monkeypatch.setattr(verifier, "_passed_here", {})
    monkeypatch.setattr(verifier, "CHILD", (sys.executable, "-c", "raise SystemExit(1)"))
    open_model(encrypted, settings(encrypted, cache)).close()


def test_its_memory_goes_with_it(encrypted: Path, cache: Path) -> None:
    open_model(encrypted, settings(encrypted, cache)).close()  # libraries open files of their own
    before = descriptors()
    classifier = open_model(encrypted, settings(encrypted, cache))
    assert descriptors() > before
    classifier.close()
    del classifier
    assert descriptors() == before


def test_a_stage_of_a_cascade_may_be_encrypted(encrypted: Path, cache: Path) -> None:
    shutil.copy(DATA / "uint8.tflite", encrypted.parent)
    cascade = encrypted.parent / "cascade.toml"
    cascade.write_text(
        '[[stage]]\nmodel = "uint8.tflite"\naccept = 0.9\naccept_labels = { cyan = 0.8 }\n'
        f'[[stage]]\nmodel = "{encrypted.name}"\n'
    )
    with closing(open_classifier(settings(cascade, cache))) as classifier:
        plain, secret = model_files(classifier)
        assert (plain.memory is None, secret.memory is None) == (True, False)


def test_a_changed_key_is_read_when_it_is_opened_again(encrypted: Path, cache: Path) -> None:
    open_model(encrypted, settings(encrypted, cache)).close()
    (encrypted.parent / "key").unlink()
    other = write_new_key(encrypted.parent / "key")
    with pytest.raises(ConfigError, match="was encrypted with the key"):
        open_model(encrypted, settings(encrypted, cache))
    encrypted.write_bytes(encrypt_model(PLAIN.read_bytes(), other))
    open_model(encrypted, settings(encrypted, cache)).close()


# The commands


def test_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, photo = tmp_path / "birds.tflite", tmp_path / "photo.png"
    shutil.copy(PLAIN, model)
    Image.new("RGB", (32, 32), (0, 200, 200)).save(photo)
    key = ("--key-file", str(tmp_path / "key"))
    assert cli.main(["models", "encrypt", str(model), *key, "--new-key"]) == 0
    said = capsys.readouterr().out
    assert f"{model}.enc: " in said
    assert read_key_file(tmp_path / "key").secret.hex() not in said
    model.unlink()
    assert cli.main(["models", str(tmp_path), *key]) == 0
    assert f"{model}.enc" in capsys.readouterr().out
    setting = ("--set", f"model.key_file={tmp_path / 'key'}")
    assert cli.main(["classify", "--model", str(tmp_path), *setting, str(photo)]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "cyan"


def test_a_check_for_a_reload_leaves_the_model_to_the_service_which_alone_has_the_key(
    encrypted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """systemd 252 names the folder of credentials to what it starts for a reload, and bars it."""

    def stat(path: Path, **options: Any) -> os.stat_result:
        if path.parent.name == "credentials":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return os.stat(path, **options)  # noqa: PTH116

    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(encrypted.parent / "credentials"))
    monkeypatch.setattr(Path, "stat", stat)
    camera = ("--set", "camera.source=emulated")
    assert cli.main(["config", "--check", "--set", f"model.path={encrypted}", *camera]) == 0
    said = capsys.readouterr().out
    assert f"{encrypted} is left to the service to be tried: systemd gives" in said
    assert "camera: emulated" in said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--new-key"], "is there already, and a key that is overwritten"),
        (["--key-file", "/none/key"], "cannot be read (No such file or directory)"),
        (["-o", "{model}"], "is the model itself; name another file"),
        (["-o", "{key}"], "is the key file itself; name another file"),
        (
            ["--key-file", "{key}2", "--new-key", "-o", "no/such/x.enc"],
            "there is no folder no/such",
        ),
        (
            ["--key-file", "{key}2", "--new-key", "-o", "{key}2"],
            "is the key file itself; name another file",
        ),
    ],
)
def test_encrypting_is_refused_and_leaves_all_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    model = tmp_path / "birds.tflite"
    shutil.copy(PLAIN, model)
    write_new_key(tmp_path / "key")
    key = [] if "--key-file" in words else ["--key-file", str(tmp_path / "key")]
    before = sorted(written(tmp_path))
    command = ["models", "encrypt", str(model), *key, *words]
    assert cli.main([word.format(model=model, key=tmp_path / "key") for word in command]) == 78
    said = capsys.readouterr().err
    assert message in said
    assert len(said.splitlines()) == 1
    assert sorted(written(tmp_path)) == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[[stage]]", "is not a TFLite model; name a .tflite file"),
        (b"\xff\xd8\xff" + bytes(40), "is a photo (JPEG)"),
        (b"pi-classifier encrypted model 1\n", "is encrypted already"),
    ],
)
def test_only_models_are_encrypted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str
) -> None:
    (tmp_path / "birds.tflite").write_bytes(content)
    write_new_key(tmp_path / "key")
    words = [str(tmp_path / "birds.tflite"), "--key-file", str(tmp_path / "key")]
    assert cli.main(["models", "encrypt", *words]) == 78
    assert message in capsys.readouterr().err
    assert not os.path.lexists(tmp_path / "birds.tflite.enc")
