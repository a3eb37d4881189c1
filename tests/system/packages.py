"""The real packages, as systemd/package.sh builds them."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .roots import FOLDER, ROOT

_GOES_IN = (
    "pi_classifier",
    "models",
    "systemd",
    "docs",
    "requirements",
    "CHANGELOG.md",
    "README.md",
)


def built_package(architecture: str, python: str) -> Path:
    """The package in dist/, built (15 s) unless it is there from the very same files."""
    key = FOLDER / f"deb-{architecture}-{python}.key"
    found = _package(architecture, python)
    stamp = _content() + (hashlib.sha256(found.read_bytes()).hexdigest() if found else "")
    if found is None or not key.exists() or key.read_text() != stamp:
        run_package(architecture, python)
        found = _package(architecture, python)
        assert found is not None
        FOLDER.mkdir(parents=True, exist_ok=True)
        key.write_text(_content() + hashlib.sha256(found.read_bytes()).hexdigest())
    return found


def run_package(*words: str, root: Path = ROOT, **environment: str) -> str:
    """Run systemd/package.sh; returns what it said. Raises CalledProcessError."""
    return subprocess.run(
        [root / "systemd" / "package.sh", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    ).stdout


def unpacked(package: Path, folder: Path) -> Path:
    """What the package holds, with its control files in DEBIAN/."""
    subprocess.run(["dpkg-deb", "--raw-extract", package, folder], check=True)
    return folder


def repacked(
    package: Path, other: Path, *, version: str, files: Mapping[str, str] | None = None
) -> None:
    """The package as another version, some of its files changed; quick, as nothing is built."""
    tree = unpacked(package, other.with_suffix(".tree"))
    control = tree / "DEBIAN" / "control"
    control.write_text(
        re.sub("^Version: .*", f"Version: {version}", control.read_text(), flags=re.MULTILINE)
    )
    for path, text in (files or {}).items():
        (tree / path.lstrip("/")).write_text(text)
    command: list[str | Path] = [
        "dpkg-deb",
        "--root-owner-group",
        "-Znone",
        "--build",
        tree,
        other,
    ]
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    shutil.rmtree(tree)


def _package(architecture: str, python: str) -> Path | None:
    name = f"pi-classifier_*+py{python.replace('.', '')}_{architecture}.deb"
    return max((ROOT / "dist").glob(name), key=lambda path: path.stat().st_mtime, default=None)


def _content() -> str:
    digest = hashlib.sha256()
    for start in _GOES_IN:
        top = ROOT / start
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT)} ".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
