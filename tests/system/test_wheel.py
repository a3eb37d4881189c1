"""What `systemd/package.sh python` builds, installed with pip into an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_classifier import __version__
from pi_classifier.cameras.emulated.scenes import Scene

from .packages import run_package
from .roots import ROOT


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel and the source archive, just built."""
    run_package("python")
    stem = ROOT / "dist" / f"pi_classifier-{__version__}"
    return Path(f"{stem}-py3-none-any.whl"), Path(f"{stem}.tar.gz")


def test_the_installed_wheel_classifies_with_the_shipped_models(
    archives: tuple[Path, Path], tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    venv.create(environment)
    # What it depends on is the tests' own: fetching it again would prove nothing.
    (site,) = environment.glob("lib/python*/site-packages")
    (site / "tests.pth").write_text(sysconfig.get_paths()["purelib"])
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python")]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(archives[0])]
    subprocess.run(install, check=True)

    def program(*words: str) -> str:
        return subprocess.run(
            [environment / "bin/pi-classifier", *words],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert program("--version") == f"pi-classifier {__version__}\n"
    shipped = site / "pi_classifier" / "models" / "flowers" / "cascade.toml"
    assert str(shipped) in program("models", "--json")
    photo = tmp_path / "photo.png"
    drawn = Scene.draw("sunflowers", np.random.default_rng(3)).render(240, 320, 0.0, 3)
    Image.fromarray(drawn).save(photo)
    label = program("classify", "--top-k", "1", str(photo)).splitlines()[1].split()[0]
    assert label == "sunflowers"


def test_the_wheel_holds_every_file_of_the_packages(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[0]) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "pi_classifier").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    models = {f"pi_classifier/{path.relative_to(ROOT)}" for path in ROOT.glob("models/*/*")}
    assert held == ours | models


def test_the_source_archive_turns_into_packages(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[1]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "systemd/package.sh", "systemd/install.sh", "scripts/setup.sh"} <= names
    assert {"setup.py", "models/flowers/fast.tflite", "systemd/pi-classifier.service"} <= names
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
