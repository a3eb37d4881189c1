"""The bill of materials: true to the files, the same each time, and in the form of CycloneDX."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[3]
PROGRAM = ROOT / "systemd" / "sbom.py"
METADATA = "Metadata-Version: 2.4\nName: {}\nVersion: {}\n"


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, PROGRAM, *words]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1760000000"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def bill(*words: str | Path) -> dict[str, Any]:
    """What the program prints, which is proved to be CycloneDX."""
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(done.stdout) is None
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def by_name(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {part["name"]: part for part in made["components"]}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def words(tmp_path: Path) -> list[str | Path]:
    """The command line for a small package with two wheels, of which one is there twice."""
    tree, wheels = tmp_path / "tree", tmp_path / "wheels"
    wheels.mkdir()
    for name, version in (("ai_edge_litert", "2.3.0"), ("pyttsx3", "2.99")):
        info = tree / f"usr/lib/pi-classifier/{name}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(METADATA.format(name.replace("_", "-"), version))
    for machine in ("aarch64", "x86_64"):
        name = f"ai_edge_litert-2.3.0-cp311-cp311-manylinux_2_27_{machine}.whl"
        (wheels / name).write_text(machine)
    (wheels / "pyttsx3-2.99-py3-none-any.whl").write_text("any")
    model = tree / "usr/share/pi-classifier/models/flowers/fast.tflite"
    model.parent.mkdir(parents=True)
    model.write_bytes(b"a model")
    lock = tmp_path / "lock.txt"
    lock.write_text("".join(f"--hash=sha256:{sha256(w.read_bytes())}\n" for w in wheels.iterdir()))
    return ["deb", "0.1.0-1+py311", "arm64", tree, wheels, lock]


def test_a_package_s_parts_with_the_wheels_that_are_in_it(words: list[str | Path]) -> None:
    parts = by_name(bill(*words))
    runtime, voice = parts["ai-edge-litert"], parts["pyttsx3"]
    assert runtime["purl"] == "pkg:pypi/ai-edge-litert@2.3.0"
    assert runtime["hashes"] == [{"alg": "SHA-256", "content": sha256(b"aarch64")}]
    assert voice["hashes"] == [{"alg": "SHA-256", "content": sha256(b"any")}]
    assert voice["licenses"] == [{"expression": "MPL-2.0"}]
    compiled_in = {part["name"]: part["licenses"] for part in runtime["components"]}
    assert compiled_in["eigen"] == [{"expression": "MPL-2.0"}]
    model = parts["flowers/fast"]
    assert (model["type"], model["hashes"][0]["content"]) == (
        "machine-learning-model",
        sha256(b"a model"),
    )
    outside = parts["python3-numpy"]
    assert "not in the package" in outside["description"]
    assert "hashes" not in outside


def test_made_again_it_is_the_same(words: list[str | Path]) -> None:
    first = run(*words).stdout
    assert run(*words).stdout == first
    (Path(words[3]) / "usr/share/pi-classifier/models/flowers/fast.tflite").write_bytes(b"other")
    assert json.loads(run(*words).stdout)["serialNumber"] != json.loads(first)["serialNumber"]


def test_a_wheel_that_is_not_locked_is_refused(words: list[str | Path]) -> None:
    (Path(words[4]) / "pyttsx3-2.99-py3-none-any.whl").write_text("another")
    done = run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "its hash is not in the lock file" in done.stderr


def test_a_wheel_lists_what_it_needs_and_its_models(tmp_path: Path) -> None:
    wheel = tmp_path / "pi_classifier-0.1.0-py3-none-any.whl"
    needs = "Requires-Dist: numpy>=1.24\nRequires-Dist: av>=10; extra == 'video'\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        metadata = METADATA.format("pi-classifier", "0.1.0") + needs
        archive.writestr("pi_classifier-0.1.0.dist-info/METADATA", metadata.replace("'", '"'))
        archive.writestr("pi_classifier/models/flowers/fast.tflite", b"a model")
    made = bill("wheel", wheel)
    whole = made["metadata"]["component"]
    assert whole["hashes"][0]["content"] == sha256(wheel.read_bytes())
    assert by_name(made).keys() == {"numpy", "flowers/fast"}
    assert re.fullmatch(r"pkg:pypi/numpy@[\d.]+", by_name(made)["numpy"]["purl"])
    assert made["metadata"]["timestamp"] == "2025-10-09T08:53:20Z"


def test_every_package_of_the_device_has_its_license_stated() -> None:
    lock = (ROOT / "requirements" / "device.txt").read_text("utf-8")
    names = set(re.findall(r"^([\w-]+)==", lock, re.MULTILINE))
    stated = set(re.findall(r'^    "([\w-]+)": "', PROGRAM.read_text("utf-8"), re.MULTILINE))
    assert names <= stated


def test_the_copyright_file_has_the_text_of_every_license_in_the_bill() -> None:
    text = (ROOT / "systemd" / "debian" / "copyright").read_text("utf-8")
    table = PROGRAM.read_text("utf-8").partition("_COMPILED_IN = {")[2].partition("}")[0]
    compiled_in = dict(re.findall(r'"([\w-]+)": "([\w.-]+)"', table))
    assert len(compiled_in) >= 17
    names = {"MIT": "Expat", "LicenseRef-Ooura": "Ooura"}
    for name, license_id in compiled_in.items():
        debian = names.get(license_id, license_id)
        assert re.search(rf"\({name.removesuffix('-cpp')}\S*, {debian}\)", text, re.IGNORECASE), (
            name
        )
        assert f"\nLicense: {debian}\n " in text
