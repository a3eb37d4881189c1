"""Which file a model's name stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from pi_classifier.errors import ModelFileError
from pi_classifier.modelfile import locate
from pi_classifier.modelfile.locate import find_model, model_folders, shipped_models, taken_names


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder of models: a cascade, a lone model, two models without a cascade, nothing."""
    for path in (
        "flowers/cascade.toml",
        "flowers/fast.tflite",
        "birds/birds.tflite",
        "pair/a.tflite",
        "pair/b.tflite",
        "empty/README.md",
    ):
        file = tmp_path / "models" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    return tmp_path / "models"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("flowers", "flowers/cascade.toml"),
        ("flowers/fast", "flowers/fast.tflite"),
        ("flowers/fast.tflite", "flowers/fast.tflite"),
        ("flowers/cascade.toml", "flowers/cascade.toml"),
        ("birds", "birds/birds.tflite"),
    ],
)
def test_names(models: Path, name: str, found: str) -> None:
    assert find_model(name, [models.parent / "missing", models]) == models / found


def test_the_first_folder_wins(models: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / "flowers"
    mine.mkdir(parents=True)
    (mine / "mine.tflite").write_bytes(b"")
    assert find_model("flowers", [tmp_path / "mine", models]) == mine / "mine.tflite"


def test_a_text_beside_the_models_is_none(models: Path) -> None:
    with pytest.raises(ModelFileError, match="no model of that name"):
        find_model("empty/README.md", [models])


def test_paths(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_model(str(models / "birds"), []) == models / "birds/birds.tflite"
    assert find_model(str(models / "pair/a.tflite"), []) == models / "pair/a.tflite"
    monkeypatch.setenv("HOME", str(models))
    assert find_model("~/flowers", []) == models / "flowers/cascade.toml"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flower", r"model flower: no such file, .*\(known: .*\)\. Did you mean 'flowers'\?"),
        ("zzz", r"model zzz: no such file, .*\(known: birds, flowers, pair\)\.$"),
        ("pair", r"several models and no cascade\.toml; name one of them: a\.tflite, b\.tflite"),
        ("empty", r"holds no cascade\.toml and no \.tflite file"),
        ("", "no model is named"),
        ("x" * 5000, "cannot be looked up: .*name too long"),
        ("~nobody-of-that-name/model.tflite", "cannot be looked up"),
    ],
)
def test_what_is_not_found_says_so(models: Path, name: str, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        find_model(name, [models])


def test_no_models_anywhere(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="no models there"):
        find_model("flowers", [tmp_path / "missing"])


def test_shipped_models(models: Path) -> None:
    assert shipped_models([models, models.parent / "missing"]) == {
        "birds": models / "birds/birds.tflite",
        "flowers": models / "flowers/cascade.toml",
        "pair": models / "pair/a.tflite",
    }


def test_the_checkout_is_searched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkout, system = Path(__file__).parents[4], Path("/usr/share/pi-classifier/models")
    monkeypatch.chdir(tmp_path)
    assert model_folders() == (checkout / "models", system, Path("models"))
    monkeypatch.chdir(checkout)
    assert model_folders() == (checkout / "models", system)


def test_a_name_is_a_shipped_model_whatever_lies_here(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of photos called flowers, say, or what somebody else has put there."""
    here = tmp_path / "here"
    for folder in ("flowers", "models/flowers"):
        (here / folder).mkdir(parents=True)
        (here / folder / "own.tflite").touch()
    monkeypatch.chdir(here)
    folders = [models, Path("models")]
    assert find_model("flowers", folders) == models / "flowers/cascade.toml"
    assert find_model("./flowers", folders) == Path("flowers/own.tflite")
    assert find_model("models/flowers", folders) == Path("models/flowers/own.tflite")
    assert find_model("flowers/own.tflite", folders) == Path("models/flowers/own.tflite")
    with pytest.raises(ModelFileError, match=r"model \./birds: no such file; check the"):
        find_model("./birds", folders)


def test_a_closed_working_folder_is_no_place_to_look(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed(type(Path())):  # type: ignore[misc]
        """A path below a working folder that may not be entered."""

        def is_file(self) -> bool:
            return self._opened("is_file")

        def is_dir(self) -> bool:
            return self._opened("is_dir")

        def _opened(self, name: str) -> bool:
            if not self.is_absolute():
                raise PermissionError(13, "Permission denied", str(self))
            return bool(getattr(Path(self), name)())

    monkeypatch.setattr(locate, "Path", Closed)
    monkeypatch.setattr(locate, "_CHECKOUT", tmp_path / "elsewhere")
    monkeypatch.setattr("os.access", lambda path, mode: str(path) != ".")
    folders: list[Path] = [*model_folders(), Closed(models)]
    assert find_model("flowers", folders) == models / "flowers/cascade.toml"
    with pytest.raises(ModelFileError, match="model unheard-of"):
        find_model("unheard-of", folders)


def test_a_folder_with_the_model_one_deeper_says_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "birds" / "a").mkdir(parents=True)
    (tmp_path / "birds" / "copy").mkdir()
    (tmp_path / "birds" / "copy" / "cascade.toml").touch()
    with pytest.raises(ModelFileError, match=r"no \.tflite file; name \S+/birds/copy$"):
        find_model(str(tmp_path / "birds"))


def test_shipped_names_are_taken_and_those_that_lie_here_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "birds").mkdir(parents=True)
    (tmp_path / "models" / "birds" / "int8.tflite").touch()
    monkeypatch.chdir(tmp_path)
    assert "birds" in shipped_models()
    assert "flowers" in taken_names()
    assert "birds" not in taken_names()
