"""Writes the lock files beside it: every package that a script installs, by version and content.

    scripts/lock              the versions stay, but for what pyproject.toml asks anew
    scripts/lock --upgrade    the newest that go together

uv finds the versions, for all Pythons and processors at once; the files are made here from
what it says, so that they hold neither an address nor a file nobody here can install. Each
hash is of one wheel or source archive; pip takes none but these.
"""

from __future__ import annotations

import argparse
import itertools
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

HERE = Path(__file__).resolve().parent
PYTHONS = ("3.11", "3.12", "3.13")
_MINORS = [int(python.removeprefix("3.")) for python in PYTHONS]
MACHINES = ("x86_64", "aarch64", "armv7l")
# uv believes that a package for Python below 3.11 is one for 3.11, too.
_FOR_NEWER_PYTHONS = ("backports-strenum<1.3",)
_DESCRIPTION = {
    "build": "what builds wheels of this project, and of packages that come as source only",
    "device": "what the daemon runs on",
    "video": "the extra `video`",
    "development": "device, bench and the tools of the gate",
    "tflite": "the older runtime, with what its tests need",
    "fuzz": "what scripts/fuzz searches with, beside development",
    "mediapipe": "another program's reader of model files, for a test",
    "picamera2-newest": "the newest picamera2 the driver was tried with",
    "picamera2-oldest": "the oldest picamera2 the driver works with",
    "lock": "what writes these files",
}
# Of these the dependencies are left out: they need a compiler and are not used.
_ALONE = ("picamera2-newest", "picamera2-oldest")
# Sets that share no version with the others, as an old package in them forbids it.
_APART = ("mediapipe",)


def main() -> int:
    """Write all files; raises CalledProcessError where no versions go together."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--upgrade", action="store_true", help="take the newest versions")
    upgrade = options.parse_args().upgrade
    shared: list[str] = []
    for name, wanted in _wanted().items():
        pins = [] if upgrade else list(_pins(HERE / f"{name}.txt"))
        known = [] if name in _APART else _without(shared, wanted)
        locked = _resolved(name, wanted, _without([*pins, *_without(known, pins)], wanted))
        lines = [line for package in locked for line in _lines(package)]
        head = f"# Written by scripts/lock: {_DESCRIPTION[name]}.\n"
        (HERE / f"{name}.txt").write_text(head + "\n".join(lines) + "\n", "utf-8")
        if name == "development":
            shared = list(_pins(HERE / f"{name}.txt"))
        print(f"requirements/{name}.txt: {len(locked)} packages")
    return 0


def _wanted() -> dict[str, list[str]]:
    """What each set asks for, development's first: its versions hold for the others."""
    device, bench = (
        tomllib.loads((HERE.parent / folder / "pyproject.toml").read_text("utf-8"))["project"]
        for folder in (".", "training")
    )
    extras = device["optional-dependencies"]
    build = ["setuptools>=77", "wheel", "build"]
    picamera2 = ["videodev2==0.0.4", "piexif==1.1.3", "simplejpeg==1.9.0"]
    tested = ["flatbuffers", "cryptography", "pytest", "hypothesis", "pillow", "pyttsx3"]
    return {
        "development": [
            *(*build, *device["dependencies"], *extras["dev"], *extras["video"]),
            *(text for text in bench["dependencies"] if not text.startswith("pi-classifier")),
            *bench["optional-dependencies"]["cluster"],
        ],
        "build": build,
        "device": device["dependencies"],
        "video": extras["video"],
        "lock": ["uv", "packaging"],
        # Debian 13's PyAV
        "tflite": [*tested, "numpy<2", "tflite-runtime==2.14.0", "av==14.2.0"],
        # the newest as a wheel for Python 3.11
        "fuzz": ["atheris==3.0.0"],
        "mediapipe": ["mediapipe==1.2.2"],
        "picamera2-newest": ["picamera2==0.3.38", *picamera2],
        "picamera2-oldest": ["picamera2==0.3.21", "v4l2-python3==0.3.5", *picamera2],
    }


def _pins(path: Path) -> Iterator[str]:
    """The requirements of a lock file, without their hashes."""
    for line in path.read_text("utf-8").splitlines() if path.exists() else ():
        if line and line[0] not in "# ":
            yield line.removesuffix("\\").strip()


def _without(pins: Sequence[str], others: Sequence[str]) -> list[str]:
    """The pins that `others` do not contradict."""
    limits = [item for item in map(Requirement, others) if item.specifier]
    contradicted = {
        pin
        for pin, limit in itertools.product(pins, limits)
        if Requirement(pin).name == limit.name
        and not limit.specifier.contains(str(Requirement(pin).specifier).removeprefix("=="))
    }
    return [pin for pin in pins if pin not in contradicted]


def _resolved(name: str, wanted: Sequence[str], limits: Sequence[str]) -> list[Mapping[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        asked, constraints = Path(folder, "asked.in"), Path(folder, "constraints.in")
        result = Path(folder, "pylock.toml")
        asked.write_text("\n".join(wanted))
        constraints.write_text("\n".join([*limits, *_FOR_NEWER_PYTHONS]))
        command = [
            Path(sys.executable).with_name("uv"),
            *("pip", "compile", "--quiet", "--universal", "--no-header"),
            *("--python-version", PYTHONS[0], "--format", "pylock.toml"),
            *("--constraints", constraints, "--output-file", result, asked),
            *(["--no-deps"] if name in _ALONE else []),
        ]
        subprocess.run(command, check=True)
        packages: list[Mapping[str, Any]] = tomllib.loads(result.read_text("utf-8"))["packages"]
        return [package for package in packages if _places(package)]


def _places(package: Mapping[str, Any]) -> set[tuple[str, str]]:
    """The Pythons and machines on which a package is needed."""
    marker = Marker(package["marker"]) if "marker" in package else None
    return {
        (python, machine)
        for python, machine in itertools.product(PYTHONS, MACHINES)
        if marker is None or marker.evaluate(_environment(python, machine))
    }


def _environment(python: str, machine: str) -> dict[str, str]:
    return {
        "implementation_name": "cpython",
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_system": "Linux",
        "python_full_version": f"{python}.9",
        "python_version": python,
        "sys_platform": "linux",
        "extra": "",
    }


def _lines(package: Mapping[str, Any]) -> Iterator[str]:
    """A package as pip reads it."""
    files = [file for file in package.get("wheels", ()) if _is_installable(_file_name(file))]
    files += [package["sdist"]] if "sdist" in package else []
    hashes = sorted(f"--hash=sha256:{file['hashes']['sha256']}" for file in files)
    if not hashes:
        raise SystemExit(f"{package['name']} {package['version']}: nothing to install it from")
    yield f"{package['name']}=={package['version']}{_marker(_places(package))} \\"
    yield from (f"    {text} \\" for text in hashes[:-1])
    yield f"    {hashes[-1]}"


def _marker(places: set[tuple[str, str]]) -> str:
    pythons, machines = (sorted(set(values)) for values in zip(*places, strict=True))
    if len(places) != len(pythons) * len(machines):
        alternatives = [_marker({place}).removeprefix(" ; ") for place in sorted(places)]
        return f" ; {' or '.join(f'({text})' for text in alternatives)}"
    parts = [
        " or ".join(f"{variable} == '{value}'" for value in values)
        for variable, values, every in (
            ("python_version", pythons, PYTHONS),
            ("platform_machine", machines, MACHINES),
        )
        if len(values) < len(every)
    ]
    joined = " and ".join(f"({part})" if len(parts) > 1 else part for part in parts)
    return f" ; {joined}" if joined else ""


def _file_name(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or file["url"].rpartition("/")[2])


def _is_installable(name: str) -> bool:
    """Whether a wheel goes with one of our Pythons on one of our machines."""
    for tag in parse_wheel_filename(name.replace("%2B", "+"))[3]:
        version = re.fullmatch(r"(?:cp|py)3(\d*)", tag.interpreter)
        if version is None:
            continue
        exact = tag.interpreter.startswith("cp") and tag.abi != "abi3"
        minor = int(version[1] or 0)
        fits = minor in _MINORS and not tag.abi.endswith("t") if exact else minor <= max(_MINORS)
        ours = tag.platform == "any" or (
            tag.platform.startswith(("manylinux", "linux")) and tag.platform.endswith(MACHINES)
        )
        if fits and ours:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
