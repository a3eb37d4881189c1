"""Models on the real runtimes: whichever of LiteRT and tflite-runtime is installed."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pi_classifier_training.modelfile.writer import write_model_file

from pi_classifier.errors import ConfigError, InferenceError, ModelFileError, ModelMismatch
from pi_classifier.inference.classifier import (
    ModelClassifier,
    open_classifier,
    open_model,
    open_model_bytes,
)
from pi_classifier.inference.interpreter import installed_runtimes, open_interpreter
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.modelfile.model_file import read_model_file, upsample_nearest
from tests.needs import NEEDS_LITERT

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
KINDS = ("float32", "uint8", "int8", "dynamic", "normalized", "logits")
RUNTIMES = installed_runtimes()
PIXELS = np.full((16, 16, 3), (0, 200, 200), np.uint8)


def test_a_runtime_is_installed() -> None:
    assert RUNTIMES


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_golden_vectors_reproduce(kind: str, runtime: str) -> None:
    model = read_model_file(DATA / f"{kind}.tflite")
    interpreter = open_interpreter(model, runtime)
    for vector in model.manifest.golden:
        scores = interpreter.invoke(upsample_nearest(vector.pixels, model.input_size))
        tolerance = model.manifest.golden_tolerance
        np.testing.assert_allclose(scores, vector.scores, atol=tolerance)
    interpreter.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("kind", KINDS)
def test_from_memory_it_scores_as_from_the_disk(kind: str, runtime: str, tmp_path: Path) -> None:
    path = DATA / f"{kind}.tflite"
    settings = ModelSettings(runtime=runtime, cache_dir=str(tmp_path / "cache"))
    in_memory = open_model_bytes(path.read_bytes(), "not a path", settings)
    on_disk = open_model(path, settings)
    pictures = np.random.default_rng(1).integers(0, 256, (10, 16, 16, 3), np.uint8)
    for picture in pictures:
        expected = on_disk.raw_scores(picture)
        np.testing.assert_array_equal(in_memory.raw_scores(picture), expected)
    assert in_memory.model.sha256 == on_disk.model.sha256
    in_memory.close()
    on_disk.close()


def test_a_model_in_memory_leaves_no_packed_weights(tmp_path: Path) -> None:
    content = (DATA / "float32.tflite").read_bytes()
    settings = ModelSettings(cache_dir=str(tmp_path / "cache"))
    open_model_bytes(content, "trial", settings).close()
    assert list(tmp_path.iterdir()) == []


def test_a_model_in_memory_fails_its_self_test_by_name() -> None:
    content = (DATA / "float32.tflite").read_bytes()
    model = read_model_file(DATA / "float32.tflite")
    details = model.manifest.details
    vectors = [{**v, "scores": v["scores"][::-1]} for v in details["golden"]["vectors"]]
    wrong = write_model_file(content, model.labels, {**details, "golden": {"vectors": vectors}})
    with pytest.raises(ModelMismatch, match=r"^trial: fails its self-test"):
        open_model_bytes(wrong, "trial", ModelSettings())


def test_litert_comes_first() -> None:
    interpreter = open_interpreter(read_model_file(DATA / "uint8.tflite"))
    assert interpreter.runtime == RUNTIMES[0]
    interpreter.close()


@pytest.mark.parametrize("runtime", [r for r in ("litert", "tflite") if r not in RUNTIMES])
def test_a_missing_runtime_names_its_package(runtime: str) -> None:
    package = {"litert": "ai-edge-litert", "tflite": "tflite-runtime"}[runtime]
    with pytest.raises(ConfigError, match=f"install {package}.*pip"):
        open_interpreter(read_model_file(DATA / "uint8.tflite"), runtime)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("threads", [1, 2])
def test_number_of_threads_does_not_change_scores(runtime: str, threads: int) -> None:
    interpreter = open_interpreter(read_model_file(DATA / "float32.tflite"), runtime, threads)
    assert int(np.argmax(interpreter.invoke(PIXELS))) == 1
    interpreter.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_model_that_vanished_is_one_clear_error(tmp_path: Path, runtime: str) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes((DATA / "uint8.tflite").read_bytes())
    model = read_model_file(path)
    path.unlink()
    with pytest.raises(ModelFileError, match="cannot run this model"):
        open_interpreter(model, runtime)


@pytest.mark.parametrize("pixels", [PIXELS[:8], PIXELS.astype(np.float32), PIXELS[None]])
def test_wrong_pixels_are_refused(pixels: np.ndarray) -> None:
    interpreter = open_interpreter(read_model_file(DATA / "uint8.tflite"))
    with pytest.raises(InferenceError, match="expected uint8"):
        interpreter.invoke(pixels)
    interpreter.close()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_golden_vector_of_another_network(tmp_path: Path, runtime: str) -> None:
    """Labels in another order than the network's outputs: the classic silent mistake."""
    right = read_model_file(DATA / "uint8.tflite").manifest.details
    golden = dict(right["golden"])
    golden["vectors"] = [v | {"scores": v["scores"][::-1]} for v in golden["vectors"]]
    path = tmp_path / "model.tflite"
    labels = ["yellow", "magenta", "cyan", "background"]
    bare = (DATA / "bare.tflite").read_bytes()
    path.write_bytes(write_model_file(bare, labels, {"name": "wrong", "golden": golden}))
    with pytest.raises(ModelMismatch, match="fails its self-test") as caught:
        open_classifier(ModelSettings(path=str(path), runtime=runtime, cache_dir=str(tmp_path)))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("cache", ["", "CACHE"])
def test_nothing_is_printed(tmp_path: Path, cache: str) -> None:
    """Runtimes report on themselves on stderr, while loading and at exit: ours stays clean."""
    program = (
        "import numpy as np\n"
        "from pi_classifier.inference.classifier import open_classifier\n"
        "from pi_classifier.inference.settings import ModelSettings\n"
        "from pi_classifier.types import Frame\n"
        f"path = {str(DATA / 'uint8.tflite')!r}\n"
        f"cache = {str(tmp_path) if cache else ''!r}\n"
        "classifier = open_classifier(ModelSettings(path=path, cache_dir=cache))\n"
        "frame = Frame(np.full((48, 64, 3), (0, 200, 200), np.uint8), 0, 0)\n"
        "print(classifier.classify(frame).top.label)\n"
        "classifier.close()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "cyan\n", "")


@NEEDS_LITERT
class TestWeightCache:
    """LiteRT trusts its cache file blindly; every damage must end in right scores."""

    def open(self, folder: Path, name: str = "float32") -> ModelClassifier:
        settings = ModelSettings(runtime="litert", cache_dir=str(folder))
        classifier = open_model(DATA / f"{name}.tflite", settings)
        scores = classifier.raw_scores(PIXELS)
        assert int(np.argmax(scores)) == 1
        assert scores[1] > 0.9 or name == "logits"
        return classifier

    def weights(self, folder: Path) -> Path:
        (found,) = folder.glob("*.weights")
        return found

    def test_is_built_once_and_used_again(self, tmp_path: Path) -> None:
        self.open(tmp_path).close()
        weights = self.weights(tmp_path)
        built = weights.stat()
        second = self.open(tmp_path)
        assert second.runtime == "litert with mapped weights"
        assert self.weights(tmp_path).stat().st_ino == built.st_ino
        assert self.weights(tmp_path).stat().st_mtime_ns == built.st_mtime_ns
        second.close()
        kept = sorted(p.suffix for p in tmp_path.rglob("*.*"))
        assert kept == [".sha256", ".tflite", ".verified", ".weights"]

    @pytest.mark.parametrize("where", [0.0, 0.3, 0.6, 0.999])
    def test_flipped_bytes(self, tmp_path: Path, where: float) -> None:
        self.open(tmp_path).close()
        weights = self.weights(tmp_path)
        good = weights.read_bytes()
        damaged = bytearray(good)
        at = int(where * len(good))
        damaged[at : at + 64] = bytes(byte ^ 0xFF for byte in damaged[at : at + 64])
        weights.write_bytes(damaged)
        self.open(tmp_path).close()
        assert self.weights(tmp_path).read_bytes() == good

    @pytest.mark.parametrize("length", [0, 1, 100, 3000])
    def test_truncated(self, tmp_path: Path, length: int) -> None:
        self.open(tmp_path).close()
        good = self.weights(tmp_path).read_bytes()
        self.weights(tmp_path).write_bytes(good[:length])
        self.open(tmp_path).close()
        assert self.weights(tmp_path).read_bytes() == good

    def test_file_of_another_model(self, tmp_path: Path) -> None:
        ours, theirs = tmp_path / "ours", tmp_path / "theirs"
        self.open(ours).close()
        self.open(theirs, "uint8").close()
        good = self.weights(ours).read_bytes()
        for suffix in ("", ".sha256"):
            target = Path(f"{self.weights(ours)}{suffix}")
            target.write_bytes(Path(f"{self.weights(theirs)}{suffix}").read_bytes())
        self.open(ours).close()
        assert self.weights(ours).read_bytes() == good

    def test_missing_folder_is_made(self, tmp_path: Path) -> None:
        self.open(tmp_path / "a" / "b").close()
        assert self.weights(tmp_path / "a" / "b").is_file()

    def test_unusable_folder_costs_one_log_line(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with caplog.at_level(logging.INFO):
            classifier = self.open(tmp_path / "file")
        assert classifier.runtime == "litert"
        assert len(caplog.records) == 1
        assert "stays mapped itself, no copy can be kept" in caplog.text
        classifier.close()

    def test_wrong_weights_with_a_right_checksum_meet_the_golden_vectors(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """The last line of defence: weights that were wrong when they were written."""
        path = DATA / "float32.tflite"
        settings = ModelSettings(path=str(path), cache_dir=str(tmp_path))
        open_classifier(settings).close()
        weights = self.weights(tmp_path)
        content = bytearray(weights.read_bytes())
        for at in range(len(content) // 4, len(content) // 2):
            content[at] ^= 0xFF
        from pi_classifier.inference import weight_cache

        weights.write_bytes(content)
        checksum = Path(f"{weights}.sha256")
        checksum.write_text(weight_cache._checksum(weights))
        with caplog.at_level(logging.WARNING):
            classifier = open_classifier(settings)
        assert "golden vector" in caplog.text
        assert "what is kept of it is made anew" in caplog.text
        classifier.close()
        assert self.weights(tmp_path).read_bytes() != content
