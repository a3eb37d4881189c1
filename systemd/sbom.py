"""The bill of materials of a package: all it is made of, as CycloneDX 1.6 in JSON.

    sbom.py deb VERSION ARCHITECTURE TREE WHEELS LOCK   of the files in TREE, to standard output
    sbom.py wheel WHEEL                                 of a wheel of this project

Made again from the same files it is the same, byte for byte; its date is SOURCE_DATE_EPOCH.
"""

from __future__ import annotations

import argparse
import email.parser
import hashlib
import json
import os
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
Component = dict[str, Any]

# What each package's own metadata say; many say it in words, which no program can read.
_LICENSES = {
    "ai-edge-litert": "Apache-2.0",
    "backports-strenum": "MIT",
    "cloudpickle": "BSD-3-Clause",
    "flatbuffers": "Apache-2.0",
    "jinja2": "BSD-3-Clause",
    "joblib": "BSD-3-Clause",
    "matplotlib": "PSF-2.0",
    "ml-dtypes": "Apache-2.0 AND MPL-2.0",
    "narwhals": "MIT",
    "numpy": "BSD-3-Clause",
    "pillow": "MIT-CMU",
    "protobuf": "BSD-3-Clause",
    "pyttsx3": "MPL-2.0",
    "scikit-learn": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "tensorboard": "Apache-2.0",
    "tensorflow": "Apache-2.0",
    "tensorflow-cpu": "Apache-2.0",
    "tflite-runtime": "Apache-2.0",
    "threadpoolctl": "BSD-3-Clause",
    "tqdm": "MPL-2.0 AND MIT",
    "typing-extensions": "PSF-2.0",
}
# Compiled into the runtime's libraries; which versions, its makers do not say.
_COMPILED_IN = {
    "abseil-cpp": "Apache-2.0",
    "cpuinfo": "BSD-2-Clause",
    "eigen": "MPL-2.0",
    "farmhash": "MIT",
    "fft2d": "LicenseRef-Ooura",
    "flatbuffers": "Apache-2.0",
    "fp16": "MIT",
    "fxdiv": "MIT",
    "gemmlowp": "Apache-2.0",
    "kleidiai": "Apache-2.0",
    "protobuf": "BSD-3-Clause",
    "pthreadpool": "BSD-2-Clause",
    "pybind11": "BSD-3-Clause",
    "re2": "BSD-3-Clause",
    "ruy": "Apache-2.0",
    "xnnpack": "BSD-3-Clause",
    "zlib": "Zlib",
}
_NEWER = ("kleidiai",)
_RUNTIMES = ("ai-edge-litert", "tflite-runtime")
_MACHINES = {"arm64": "aarch64", "amd64": "x86_64", "armhf": "armv7l"}


def of_package(version: str, architecture: str, tree: Path, wheels: Path, lock: str) -> Component:
    """The bill of a Debian package whose files lie in `tree`, vendored from `wheels`."""
    built_for = (f"-cp{version.rpartition('py')[2]}-", _MACHINES[architecture])
    parts = list(_vendored(tree / "usr/lib/pi-classifier", wheels, lock, built_for))
    parts += _models(tree / "usr/share/pi-classifier")
    control = (ROOT / "systemd/debian/control.in").read_text("utf-8")
    (depends,) = re.findall(r"^Depends: (.+)$", control, re.MULTILINE)
    names = sorted({re.split(r"[ @]", text)[0] for text in depends.split(", ")})
    parts += [_part(name, f"pkg:deb/debian/{name}", outside=True) for name in names]
    upstream, _, _ = version.partition("-")
    whole = _part(
        "pi-classifier",
        f"pkg:generic/pi-classifier@{version}?arch={architecture}",
        version=upstream,
        license_id="Apache-2.0",
        kind="application",
    )
    return _bill(whole, parts)


def of_wheel(path: Path) -> Component:
    """The bill of a wheel of this project; what it needs is listed as the tests had it."""
    with zipfile.ZipFile(path) as archive:
        members = sorted(archive.namelist())
        (metadata,) = [name for name in members if name.endswith("/METADATA")]
        fields = email.parser.Parser().parsestr(archive.read(metadata).decode())
        parts = [_model(name, archive.read(name)) for name in members if _is_model(name)]
    name, version = str(fields["Name"]), str(fields["Version"])
    versions = dict(re.findall(r"^([\w-]+)==([\w.]+)", _lock("development"), re.MULTILINE))
    # `Requires-Dist: av>=10; extra == "video"` is needed by nobody who does not ask for it.
    texts = [text for text in fields.get_all("Requires-Dist") or () if "extra ==" not in text]
    needed = sorted({re.split(r"[^\w-]", text)[0] for text in texts})
    versions |= {"pi-classifier": version}
    parts += [_python(name, versions.get(name), outside=True) for name in needed]
    whole = _python(name, version, _sha256(path.read_bytes()), kind="application")
    whole["licenses"] = [{"expression": "Apache-2.0"}]
    return _bill(whole, parts)


def _vendored(
    library: Path, wheels: Path, lock: str, built_for: tuple[str, str]
) -> Iterator[Component]:
    for metadata in sorted(library.glob("*.dist-info/METADATA")):
        fields = email.parser.Parser().parsestr(metadata.read_text("utf-8"))
        name, version = str(fields["Name"]).lower().replace("_", "-"), str(fields["Version"])
        (wheel,) = (
            path
            for path in wheels.glob(f"{name.replace('-', '_')}-{version}-*.whl")
            if path.name.endswith("-any.whl") or all(word in path.name for word in built_for)
        )
        sha256 = _sha256(wheel.read_bytes())
        if sha256 not in lock:
            raise SystemExit(f"sbom.py: {wheel}: its hash is not in the lock file")
        part = _python(name, version, sha256)
        if name in _RUNTIMES:
            part["components"] = [
                _part(inner, f"pkg:generic/{inner}", license_id=license_id)
                | {"bom-ref": f"{part['bom-ref']}#{inner}"}
                for inner, license_id in _COMPILED_IN.items()
                if inner not in _NEWER or name == "ai-edge-litert"
            ]
        yield part


def _models(folder: Path) -> Iterator[Component]:
    for path in sorted(folder.glob("models/*/*")):
        if _is_model(path.name):
            yield _model(path.relative_to(folder).as_posix(), path.read_bytes())


def _is_model(name: str) -> bool:
    return name.endswith(".tflite")


def _model(name: str, content: bytes) -> Component:
    short = "/".join(name.removesuffix(".tflite").split("/")[-2:])
    part = _part(
        short,
        None,
        sha256=_sha256(content),
        license_id="Apache-2.0",
        kind="machine-learning-model",
    )
    return part | {"bom-ref": f"model:{short}"}


def _python(
    name: str,
    version: str | None,
    sha256: str | None = None,
    *,
    outside: bool = False,
    kind: str = "library",
) -> Component:
    purl = f"pkg:pypi/{name}" + (f"@{version}" if version else "")
    licensed = _LICENSES.get(name)
    return _part(name, purl, version, sha256, licensed, outside=outside, kind=kind)


def _part(
    name: str,
    purl: str | None,
    version: str | None = None,
    sha256: str | None = None,
    license_id: str | None = None,
    *,
    outside: bool = False,
    kind: str = "library",
) -> Component:
    """A component; one that is `outside` is needed, but not in the package."""
    stated = {
        "type": kind,
        "bom-ref": purl,
        "name": name,
        "version": version,
        "description": "not in the package: it comes from the system" if outside else None,
        "hashes": [{"alg": "SHA-256", "content": sha256}] if sha256 else None,
        "licenses": [{"expression": license_id}] if license_id else None,
        "purl": purl,
    }
    return {key: value for key, value in stated.items() if value is not None}


def _bill(whole: Component, parts: list[Component]) -> Component:
    when = datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), UTC)
    bill: Component = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"timestamp": f"{when:%Y-%m-%dT%H:%M:%SZ}", "component": whole},
        "components": parts,
        "dependencies": [
            {"ref": whole["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]}
        ],
    }
    content = json.dumps(bill, sort_keys=True).encode()
    bill["serialNumber"] = uuid.UUID(bytes=hashlib.sha256(content).digest()[:16], version=4).urn
    return bill


def _lock(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def main() -> int:
    """Print the bill that the command line asks for."""
    top = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    commands = top.add_subparsers(dest="command", required=True)
    package = commands.add_parser("deb")
    for name in ("version", "architecture"):
        package.add_argument(name)
    for name in ("tree", "wheels", "lock"):
        package.add_argument(name, type=Path)
    commands.add_parser("wheel").add_argument("wheel", type=Path)
    given = top.parse_args()
    if given.command == "wheel":
        bill = of_wheel(given.wheel)
    else:
        lock = given.lock.read_text("utf-8")
        bill = of_package(given.version, given.architecture, given.tree, given.wheels, lock)
    json.dump(bill, sys.stdout, indent=1, sort_keys=True)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
