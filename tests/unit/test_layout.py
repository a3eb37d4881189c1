"""The measures of the house: what is too long, and too short, for a room, a file, a function."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (ROOT / "pi_classifier", ROOT / "training" / "pi_classifier_training")

ROOT_MODULES_LIMIT = 13
FUNCTION_LINES_LIMIT = 40
MODULE_LINES_LIMIT = 320
SHORT_FILE_LINES = 60
SHORT_FILES_LIMIT = 15  # in each package


def modules() -> list[Path]:
    """Every Python file of both packages."""
    return sorted(path for package in PACKAGES for path in package.rglob("*.py"))


def lines_of(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Name and lines of every function, from `def` (decorators not counted) to its end."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_both_packages_are_looked_through() -> None:
    looked_at = {named(path) for path in modules()}
    assert {"pi_classifier/pipeline.py", "pi_classifier/service/build.py"} <= looked_at
    assert "training/pi_classifier_training/retraining/retrain.py" in looked_at


def test_few_modules_stand_outside_of_a_room() -> None:
    for package in PACKAGES:
        assert len(list(package.glob("*.py"))) <= ROOT_MODULES_LIMIT, package.name


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{named(path)}: {name}": count
        for path in modules()
        for name, count in functions(path)
        if count > FUNCTION_LINES_LIMIT
    }
    assert long == {}


def test_no_module_holds_more_than_one_subject() -> None:
    long = {
        named(path): lines_of(path) for path in modules() if lines_of(path) > MODULE_LINES_LIMIT
    }
    assert long == {}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_few_files_are_too_short_for_a_subject(package: Path) -> None:
    """Without `__init__.py` and `__main__.py`: Python names those, and a room needs one."""
    short = {
        named(path): lines_of(path)
        for path in package.rglob("*.py")
        if lines_of(path) < SHORT_FILE_LINES and not path.name.startswith("__")
    }
    assert len(short) <= SHORT_FILES_LIMIT, short


def test_functions_and_their_lines_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "two.py"
    file.write_text(
        "class A:\n    @property\n    def one(self):\n        return 1\n\ndef two(): ...\n"
    )
    assert sorted(functions(file)) == [("one", 2), ("two", 1)]
