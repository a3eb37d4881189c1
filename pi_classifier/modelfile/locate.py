"""Finding a model by its name: `flowers`, `flowers/fast`, or any path."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from pi_classifier.errors import ModelFileError, is_the_machines
from pi_classifier.modelfile.encryption import SUFFIX
from pi_classifier.suggest import suggestion
from pi_classifier.system.files import NOT_A_FILE

CASCADE = "cascade.toml"
_CHECKOUT = Path(__file__).resolve().parents[2]
_IN_WHEEL = Path(__file__).resolve().parents[1] / "models"


def _own_folders() -> list[Path]:
    """The models of the checkout or of the wheel this package runs from."""
    checkout = [_CHECKOUT / "models"] if (_CHECKOUT / "pyproject.toml").is_file() else []
    return [*checkout, *([_IN_WHEEL] if _IN_WHEEL.is_dir() else [])]


def taken_names() -> frozenset[str]:
    """The names that always mean a shipped model, which no other can be opened by."""
    return frozenset(shipped_models(_own_folders()))


def model_folders() -> tuple[Path, ...]:
    """The folders that hold models by name, in the order they are searched.

    The models of the checkout or of the wheel this package runs from, if it does, then
    /usr/share/pi-classifier/models, then ./models: a name means the same model wherever the
    program is started, and nobody who writes there puts another in its place.
    """
    folders = [*_own_folders(), Path("/usr/share/pi-classifier/models")]
    if _may_look_here() and Path.cwd() != _CHECKOUT:
        folders.append(Path("models"))
    return tuple(folders)


def _may_look_here() -> bool:
    """Whether the working folder may be entered.

    `sudo -u pi-classifier pi-classifier …` begins in the home folder of whoever typed
    it, which on Raspberry Pi OS is closed to all others.
    """
    return os.access(".", os.X_OK)


def find_model(name: str, folders: Sequence[Path] | None = None) -> Path:
    """Return the model file or cascade.toml that `name` stands for.

    `name` is a name to look for in `folders` (default: `model_folders()`), where `flowers`
    is a folder and `flowers/fast` a model in it, else a path, whose folder stands for the
    cascade or the one model in it. One that begins with ``/``, ``.`` or ``~`` is a path
    alone. Raises ModelFileError.
    """
    if not name:
        raise ModelFileError(
            "no model is named; give a shipped model's name, a .tflite file or a cascade.toml"
        )
    try:
        return _found(name, model_folders() if folders is None else folders)
    except (OSError, RuntimeError) as error:  # no permission, name too long, no such user's home
        if isinstance(error, OSError) and is_the_machines(error):
            raise
        raise ModelFileError(f"model {name}: cannot be looked up: {error}") from error


def _found(name: str, folders: Sequence[Path]) -> Path:
    path = Path(name).expanduser()
    is_path = path.is_absolute() or name.startswith(".")
    in_folders = None if is_path else _in_folders(name, folders)
    if in_folders is not None:
        return in_folders
    if path.is_absolute() or _may_look_here():
        if path.is_file():
            return path
        if path.is_dir():
            return _in_folder(path)
        if path.exists():
            raise ModelFileError(f"model {name}: {NOT_A_FILE}; name a model file")
    if is_path:
        raise ModelFileError(f"model {name}: no such file; check the path")
    raise ModelFileError(_not_found(name, folders))


def _in_folders(name: str, folders: Sequence[Path]) -> Path | None:
    # Beside the models lie texts, such as README.md.
    file_name = name if name.endswith((".tflite", SUFFIX, CASCADE)) else f"{name}.tflite"
    for folder in folders:
        if (folder / file_name).is_file():
            return folder / file_name
        if (folder / name).is_dir():
            return _in_folder(folder / name)
    return None


def shipped_models(folders: Sequence[Path] | None = None) -> dict[str, Path]:
    """The names found in the model folders, each with the file it stands for."""
    models: dict[str, Path] = {}
    for folder in model_folders() if folders is None else folders:
        for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
            if entry.is_dir() and entry.name not in models and _candidates(entry):
                models[entry.name] = _candidates(entry)[0]
    return models


def _candidates(folder: Path) -> list[Path]:
    """What a folder may stand for: its cascade if it has one, else its models."""
    cascade = folder / CASCADE
    return (
        [cascade]
        if cascade.is_file()
        else sorted((*folder.glob("*.tflite"), *folder.glob(f"*.tflite{SUFFIX}")))
    )


def _in_folder(folder: Path) -> Path:
    candidates = _candidates(folder)
    if not candidates:
        raise ModelFileError(
            f"model {folder}: the folder holds no {CASCADE} and no .tflite file; "
            f"name {_within(folder) or 'a model file'}"
        )
    if len(candidates) > 1:
        names = ", ".join(candidate.name for candidate in candidates)
        raise ModelFileError(
            f"model {folder}: the folder holds several models and no {CASCADE}; "
            f"name one of them: {names}"
        )
    return candidates[0]


def _within(folder: Path) -> Path | None:
    """The folder in a folder that holds a model: what was copied may have come one deeper."""
    for entry in sorted(folder.iterdir()):
        with contextlib.suppress(PermissionError):
            if entry.is_dir() and _candidates(entry):
                return entry
    return None


def _not_found(name: str, folders: Iterable[Path]) -> str:
    searched = list(folders)
    known = shipped_models(searched)
    listed = f"known: {', '.join(known)}" if known else "no models there"
    return (
        f"model {name}: no such file, and no model of that name in "
        f"{', '.join(str(folder) for folder in searched)} ({listed}).{suggestion(name, known)}"
    )
