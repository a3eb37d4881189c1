"""What `systemd/package.sh python` builds, installed with pip into environments of their own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pi_classifier_training
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from PIL import Image

from pi_classifier import __version__
from pi_classifier.cameras.emulated.scenes import Scene

from .packages import run_package
from .roots import ROOT

DEVICE = f"pi_classifier-{__version__}"
BENCH = f"pi_classifier_training-{pi_classifier_training.__version__}"


@dataclass(frozen=True)
class Environment:
    """A virtual environment with wheels in it, and an empty working folder."""

    folder: Path
    work: Path

    @classmethod
    def holding(cls, wheels: Sequence[Path], folder: Path) -> Environment:
        """Made in `folder`. What the wheels depend on is the tests' own: no need to fetch it."""
        venv.create(folder / "environment")
        made = cls(folder / "environment", folder / "work")
        made.work.mkdir()
        (made.packages / "tests.pth").write_text(sysconfig.get_paths()["purelib"])
        pip = [sys.executable, "-m", "pip", "--python", str(made.folder / "bin/python")]
        install = [*pip, "install", "--quiet", "--no-deps", "--no-index", *map(str, wheels)]
        subprocess.run(install, check=True)
        return made

    @property
    def packages(self) -> Path:
        (folder,) = self.folder.glob("lib/python*/site-packages")
        return folder

    def run(self, program: str, *words: str) -> str:
        """What an installed program writes to standard output. Raises CalledProcessError."""
        own = {"HOME": str(self.work), "TF_CPP_MIN_LOG_LEVEL": "3"}
        of_the_tests = ("PYTHONPATH", "XDG_CACHE_HOME", "CACHE_DIRECTORY")
        inherited = {key: value for key, value in os.environ.items() if key not in of_the_tests}
        return subprocess.run(
            [self.folder / "bin" / program, *words],
            cwd=self.work,
            env=inherited | own,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with both wheels and source archives, just built."""
    folder = tmp_path_factory.mktemp("dist")
    run_package("python", OUT=str(folder))
    return folder


def wheel_of(dist: Path, stem: str) -> Path:
    return dist / f"{stem}-py3-none-any.whl"


def contents(wheel: Path) -> set[str]:
    """What a wheel installs, without its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata(wheel: Path, name: str) -> str:
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [each for each in archive.namelist() if each.endswith(f".dist-info/{name}")]
        return archive.read(member).decode()


def package_files(package: Path, within: Path) -> set[str]:
    return {
        path.relative_to(within).as_posix()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_device_alone_classifies_with_the_shipped_models(dist: Path, tmp_path: Path) -> None:
    device = Environment.holding([wheel_of(dist, DEVICE)], tmp_path)
    assert device.run("pi-classifier", "--version") == f"pi-classifier {__version__}\n"
    shipped = device.packages / "pi_classifier" / "models" / "flowers" / "cascade.toml"
    assert str(shipped) in device.run("pi-classifier", "models", "--json")
    photo = device.work / "photo.png"
    drawn = Scene.draw("sunflowers", np.random.default_rng(3)).render(240, 320, 0.0, 3)
    Image.fromarray(drawn).save(photo)
    said = device.run("pi-classifier", "classify", "--top-k", "1", str(photo))
    assert said.splitlines()[1].split()[0] == "sunflowers"


def test_the_device_alone_sees_the_demo_s_garden(dist: Path, tmp_path: Path) -> None:
    device = Environment.holding([wheel_of(dist, DEVICE)], tmp_path)
    garden = ("--camera", "emulated", "--frames", "50", "--fast", "--no-speech")
    assert device.run("pi-classifier", "run", *garden) == "roses\ntulips\n"
    assert not (device.folder / "bin" / "pi-classifier-train").exists()
    assert not list(device.packages.glob("*training*"))


def test_the_bench_beside_it_trains_a_model_the_device_runs(dist: Path, tmp_path: Path) -> None:
    wheels = [wheel_of(dist, DEVICE), wheel_of(dist, BENCH)]
    both = Environment.holding(wheels, tmp_path)
    version = f"pi-classifier-train {pi_classifier_training.__version__}\n"
    assert both.run("pi-classifier-train", "--version") == version
    rng = np.random.default_rng(1)
    for label, color in {"cyan": (0, 230, 230), "yellow": (230, 230, 0)}.items():
        (both.work / "photos" / label).mkdir(parents=True)
        for number in range(20):
            pixels = np.add(color, rng.integers(0, 25, (48, 64, 3))).astype(np.uint8)
            Image.fromarray(pixels).save(both.work / "photos" / label / f"{number:02}.png")
    # 26 photos to train with, so that batches come out even: a last one of another size is
    # compiled anew, for many seconds
    size = ("--weights", "none", "--resolution", "96", "--epochs", "20", "--batch", "13")
    both.run("pi-classifier-train", "retrain", "--image-dir", "photos", "--output-dir", "o", *size)
    said = both.run("pi-classifier", "classify", "--model", "o/int8.tflite", "photos/cyan/01.png")
    assert said.splitlines()[1].split()[0] == "cyan"


def test_each_wheel_holds_every_file_of_its_package_and_no_other(dist: Path) -> None:
    models = {f"pi_classifier/{path.relative_to(ROOT)}" for path in ROOT.glob("models/*/*")}
    device = package_files(ROOT / "pi_classifier", ROOT) | models
    assert contents(wheel_of(dist, DEVICE)) == device
    training = ROOT / "training"
    bench = package_files(training / "pi_classifier_training", training)
    assert contents(wheel_of(dist, BENCH)) == bench


def test_each_file_has_a_checksum_and_each_wheel_a_bill_of_materials(dist: Path) -> None:
    subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=dist, check=True)
    lines = (dist / "SHA256SUMS").read_text("utf-8").splitlines()
    assert {line.split()[1] for line in lines} | {"SHA256SUMS"} == {p.name for p in dist.iterdir()}
    for stem in (DEVICE, BENCH):
        text = wheel_of(dist, stem).with_suffix(".cdx.json").read_text("utf-8")
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
        whole = json.loads(text)["metadata"]["component"]
        (stated,) = whole["hashes"]
        digest = hashlib.sha256(wheel_of(dist, stem).read_bytes()).hexdigest()
        assert stated["content"] == digest


def test_each_wheel_has_one_command_and_the_license(dist: Path) -> None:
    for stem, command in ((DEVICE, "pi-classifier"), (BENCH, "pi-classifier-train")):
        wheel = wheel_of(dist, stem)
        commands = metadata(wheel, "entry_points.txt").splitlines()
        assert [line.split(" = ")[0] for line in commands if " = " in line] == [command]
        for name in ("LICENSE", "NOTICE"):
            assert metadata(wheel, f"licenses/{name}") == (ROOT / name).read_text("utf-8")
    requires = metadata(wheel_of(dist, BENCH), "METADATA").splitlines()
    assert f"Requires-Dist: pi-classifier=={__version__}" in requires


def archived(dist: Path, stem: str) -> set[str]:
    with tarfile.open(dist / f"{stem}.tar.gz") as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_source_archives_turn_into_packages(dist: Path) -> None:
    device = archived(dist, DEVICE)
    assert {"LICENSE", "systemd/package.sh", "systemd/install.sh", "scripts/setup.sh"} <= device
    assert {"setup.py", "models/flowers/fast.tflite", "systemd/pi-classifier.service"} <= device
    bench = archived(dist, BENCH)
    assert {"LICENSE", "README.md", "pi_classifier_training/cli.py"} <= bench
    both = device | bench
    assert not [name for name in both if "__pycache__" in name or name.startswith("tests/")]
