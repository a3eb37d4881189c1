"""A model that ends the runtime ends a child process, and is refused by name."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pi_classifier.errors import InferenceError, ModelFileError, ModelMismatch
from pi_classifier.inference import verifier
from pi_classifier.inference.classifier import describe_models, open_model, open_model_bytes
from pi_classifier.inference.settings import ModelSettings
from tests.tflite_models import put_together, take_apart

DATA = Path(__file__).resolve().parents[3] / "data"
MODEL = DATA / "int8.tflite"

pytestmark = pytest.mark.usefixtures("nothing_has_passed", "_cache_of_its_own")


@pytest.fixture
def _cache_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What earlier runs of the tests found out is not known."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def child(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a script in the child's place; "" is one that fails the test if it is started."""

    def put(script: str) -> None:
        script = script or "import sys; sys.exit('a model is tried that is known')"
        monkeypatch.setattr(verifier, "CHILD", (sys.executable, "-c", script))
        monkeypatch.setattr(verifier, "_passed_here", {})

    return put


def open_it(
    cache_dir: Path | str = "", path: Path = MODEL, labels: str | None = None, threads: int = 1
) -> None:
    settings = ModelSettings(cache_dir=str(cache_dir), labels=labels, num_threads=threads)
    open_model(path, settings).close()


def test_what_has_passed_is_not_tried_again(tmp_path: Path, child: Callable[[str], None]) -> None:
    open_it(tmp_path)
    child("")
    open_it(tmp_path)
    again = tmp_path / "under another name.tflite"
    again.write_bytes(MODEL.read_bytes())
    open_it(tmp_path, again)


def test_without_a_cache_folder_it_is_remembered_by_this_process(
    monkeypatch: pytest.MonkeyPatch, child: Callable[[str], None]
) -> None:
    open_it()
    passed = dict(verifier._passed_here)
    child("")
    with pytest.raises(InferenceError, match="could not be tried"):
        open_it()
    monkeypatch.setattr(verifier, "_passed_here", passed)
    open_it()


@pytest.mark.parametrize(
    "change", ["another file", "settings", "labels", "lost", "another user's"]
)
def test_what_may_have_changed_is_tried_again(
    tmp_path: Path, child: Callable[[str], None], change: str
) -> None:
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\nd\n")
    open_it(tmp_path, labels=str(names))
    child("")
    path, threads = MODEL, 1
    if change == "another file":
        path = DATA / "uint8.tflite"
    elif change == "settings":
        threads = 2
    elif change == "labels":
        names.write_text("e\nf\ng\nh\n")
    elif change == "lost":
        (kept,) = (tmp_path / "models").glob("*.verified")
        kept.unlink()
    else:
        (tmp_path / "models").chmod(0o777)
    with pytest.raises(InferenceError, match="known"):
        open_it(tmp_path, path, labels=str(names), threads=threads)


def test_what_is_wrong_is_said_as_ever(tmp_path: Path) -> None:
    one = tmp_path / "one.txt"
    one.write_text("a\n")
    with pytest.raises(ModelMismatch, match=r"int8.*has 4 outputs, but there are 1 labels"):
        open_it(labels=str(one))
    with pytest.raises(ModelFileError, match="there is no such model file"):
        open_it(path=tmp_path / "none.tflite")
    with pytest.raises(ModelFileError, match="is not a TFLite model or is damaged"):
        open_it(path=one)
    with pytest.raises(ModelFileError, match=r"none\.txt: there is no such label file"):
        open_it(labels=str(tmp_path / "none.txt"))
    with pytest.raises(ModelMismatch, match=r"normalized\.tflite: .* state what it was trained"):
        open_it(path=bare_float(tmp_path))


def bare_float(folder: Path) -> Path:
    """A float model that does not say how its pixels are normalized."""
    path, labels = folder / "normalized.tflite", folder / "normalized.labels.txt"
    content = (DATA / "normalized.tflite").read_bytes()
    with zipfile.ZipFile(DATA / "normalized.tflite") as archive:
        end = json.loads(archive.read("pi_classifier.json"))["flatbuffer"]["bytes"]
    # Without its archive, and its metadata under another name.
    path.write_bytes(content[:end].replace(b"TFLITE_METADATA", b"TFLITE_METADATB"))
    labels.write_text("a\nb\nc\nd\n")
    return path


def test_a_model_is_described_without_its_normalization(tmp_path: Path) -> None:
    (model,) = describe_models([bare_float(tmp_path)], None)
    assert model.normalization is None
    assert model.labels == ("a", "b", "c", "d")


@pytest.mark.parametrize("name", ["float16", "int16"])
def test_other_inputs_are_described_without_it_too(name: str, tmp_path: Path) -> None:
    fields = take_apart((DATA / f"{name}.tflite").read_bytes())
    fields["metadata"] = []  # which say the normalization and name the labels
    (tmp_path / "bare.tflite").write_bytes(put_together(fields))
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")
    (model,) = describe_models([tmp_path / "bare.tflite"], None)
    assert (model.input.dtype, model.normalization) == (name, None)


def test_a_signal_is_named_with_the_last_words(child: Callable[[str], None]) -> None:
    child(
        "import os, signal, sys\n"
        "print('ERROR: tensor 3 \\033[2Jis odd', file=sys.stderr)\n"
        "print('INFO: done', file=sys.stderr, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGSEGV)"
    )
    expected = (
        r'ended the runtime with SIGSEGV when it was tried \(its last words: "tensor 3 \[2Jis'
    )
    with pytest.raises(ModelFileError, match=expected):
        open_it()


@pytest.mark.parametrize(
    "script",
    [
        "import os, sys; print('std::bad_alloc', file=sys.stderr, flush=True); os.abort()",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    ],
)
def test_too_much_memory_is_named(child: Callable[[str], None], script: str) -> None:
    child(script)
    with pytest.raises(
        ModelFileError, match=r"int8\.tflite: takes more memory than this computer"
    ):
        open_it()


def test_foreign_models_in_memory_are_tried_too(child: Callable[[str], None]) -> None:
    settings, content = ModelSettings(cache_dir=""), MODEL.read_bytes()
    open_model_bytes(content, "imported", settings, foreign=True).close()
    child("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    open_model_bytes(content, "our own", settings).close()
    with pytest.raises(ModelFileError, match="imported: ended the runtime with SIGSEGV"):
        open_model_bytes(content, "imported", settings, foreign=True)


def test_what_never_ends_is_ended(
    monkeypatch: pytest.MonkeyPatch, child: Callable[[str], None]
) -> None:
    child("import time; time.sleep(60)")
    monkeypatch.setattr(verifier, "_LIMIT_S", 0.2)
    with pytest.raises(ModelFileError, match=r"int8\.tflite: was not opened and run within 0 s"):
        open_it()


@pytest.mark.parametrize(
    ("verdict", "kind", "said"),
    [
        ({"error": "ModelMismatch", "text": "x: odd"}, ModelMismatch, "x: odd"),
        ({"error": "SystemExit", "text": "x: odd"}, ModelFileError, "x: odd"),
        ({"errno": 5, "text": "Input/output error", "filename": None}, OSError, "int8"),
    ],
)
def test_the_childs_errors_are_raised_here(
    child: Callable[[str], None], verdict: object, kind: type[Exception], said: str
) -> None:
    child(f"print({json.dumps(verdict)!r})")
    with pytest.raises(kind, match=said):
        open_it()


def test_what_fails_although_it_has_passed_is_made_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_it(tmp_path)
    (copy,) = (tmp_path / "models").glob("*.tflite")
    content = copy.read_bytes()
    copy.chmod(0o600)
    copy.write_bytes(content[:400] + bytes(len(content) - 400))
    copy.chmod(0o400)
    open_it(tmp_path)
    assert "what is kept of it is made anew" in caplog.text
    assert copy.read_bytes() == content


def test_labels_that_cannot_be_read_lose_nothing_that_is_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_it(tmp_path)
    kept = set((tmp_path / "models").iterdir())
    with pytest.raises(ModelFileError, match=r"none\.txt: there is no such label file"):
        open_it(tmp_path, labels=str(tmp_path / "none.txt"))
    assert set((tmp_path / "models").iterdir()) == kept
    assert "made anew" not in caplog.text


REMOVED = """
import json, pathlib, sys
model = json.load(sys.stdin)["models"][0]
file, once = pathlib.Path(model[1]), pathlib.Path({once!r})
if not once.exists() or {always}:
    once.touch()
    file.unlink()
    sys.exit("FileNotFoundError")
print(json.dumps({{"packed_bytes": 0, "not_kept": ""}}))
"""


def test_a_copy_that_another_program_removes_is_made_again(
    tmp_path: Path, child: Callable[[str], None]
) -> None:
    once = str(tmp_path / "once")
    child(REMOVED.format(once=once, always=False))
    open_it(tmp_path / "cache")
    child(REMOVED.format(once=once, always=True))
    with pytest.raises(BlockingIOError, match="removed again and again"):
        open_it(tmp_path / "cache", labels=str(DATA / "none.txt"))
