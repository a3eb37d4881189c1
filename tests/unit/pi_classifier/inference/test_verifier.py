"""A model that ends the runtime ends a child process, and is refused by name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pi_classifier.errors import ModelFileError
from pi_classifier.inference import verifier
from pi_classifier.inference.classifier import ModelSettings
from pi_classifier.inference.interpreter import installed_runtimes

DATA = Path(__file__).resolve().parents[3] / "data"
LYING = Path(__file__).resolve().parents[5] / "shared" / "cases" / "models"


def child(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setattr(verifier, "CHILD", (sys.executable, "-c", script))


def test_a_good_model_passes() -> None:
    verifier.verify_model(ModelSettings(path=str(DATA / "int8.tflite"), cache_dir=""))


def test_the_child_opens_what_the_settings_name(capfd: pytest.CaptureFixture[str]) -> None:
    """Normalization and labels travel with the settings; nothing is printed."""
    labels = DATA.parent / "data" / "README.md"
    for settings in (
        ModelSettings(path=str(DATA / "normalized.tflite"), mean=(127.5,) * 3, std=(127.5,) * 3),
        ModelSettings(path=str(DATA / "bare.tflite"), labels=str(labels)),
        ModelSettings(path="missing"),
    ):
        verifier.verify_model(settings)
    assert capfd.readouterr() == ("", "")


def test_a_signal_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(ModelFileError, match=r"x\.tflite: ended the runtime with SIGSEGV"):
        verifier.verify_model(ModelSettings(path="x.tflite"))


def test_what_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(verifier, "_LIMIT_S", 0.2)
    with pytest.raises(ModelFileError, match=r"x\.tflite: was not opened and run within 0 s"):
        verifier.verify_model(ModelSettings(path="x.tflite"))


def test_other_errors_are_left_to_the_opening(monkeypatch: pytest.MonkeyPatch) -> None:
    child(monkeypatch, "import sys; sys.exit(78)")
    verifier.verify_model(ModelSettings(path="x.tflite"))


@pytest.mark.skipif(
    not LYING.is_dir(),
    reason=f"needs the damaged models of {LYING}, which are not part of the repository; "
    "the tests above show the same with a child that kills itself",
)
@pytest.mark.parametrize(
    "name", ["depthwise-one-input-less", "scales-without-zero-points", "wrong-opcode"]
)
def test_models_that_end_a_runtime_are_refused(tmp_path: Path, name: str) -> None:
    if "litert" not in installed_runtimes():
        pytest.skip(
            "LiteRT, which these files crash, is not installed; tflite-runtime refuses them"
        )
    labels = tmp_path / "labels.txt"
    labels.write_text("".join(f"label {i}\n" for i in range(1001)))
    settings = ModelSettings(
        path=str(LYING / f"{name}.tflite"),
        labels=str(labels),
        cache_dir=str(tmp_path / "cache"),
        mean=(127.5,) * 3,
        std=(127.5,) * 3,
        runtime="litert",
    )
    with pytest.raises(ModelFileError, match=f"{name}.tflite: ended the runtime with SIG"):
        verifier.verify_model(settings)
