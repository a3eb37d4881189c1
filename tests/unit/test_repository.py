"""What several files of the repository say alike: versions, licenses, locks, tools, hooks."""

from __future__ import annotations

import re
import subprocess
import tomllib
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import pi_classifier_training
import pytest
from packaging.requirements import Requirement

import pi_classifier

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "requirements"


def project(folder: str) -> dict[str, Any]:
    """The [project] table of a folder's pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / folder / "pyproject.toml").read_text("utf-8"))
    return dict(table["project"])


DEVICE = project(".")
BENCH = project("training")


def test_both_distributions_have_one_version_and_the_bench_asks_for_it() -> None:
    assert pi_classifier_training.__version__ == pi_classifier.__version__
    assert f"pi-classifier=={pi_classifier.__version__}" in BENCH["dependencies"]


def test_each_distribution_has_the_command_that_is_its_own() -> None:
    assert DEVICE["scripts"] == {"pi-classifier": "pi_classifier.cli:main"}
    assert BENCH["scripts"] == {"pi-classifier-train": "pi_classifier_training.cli:main"}


@pytest.mark.parametrize("key", ["license", "authors", "requires-python"])
def test_both_distributions_say_the_same(key: str) -> None:
    assert DEVICE[key] == BENCH[key]


@pytest.mark.parametrize("name", ["LICENSE", "NOTICE"])
def test_the_bench_has_the_license_of_the_repository(name: str) -> None:
    assert (ROOT / "training" / name).samefile(ROOT / name)
    assert name in DEVICE["license-files"]
    assert name in BENCH["license-files"]


def test_the_device_needs_nothing_of_the_bench() -> None:
    needed = {Requirement(text).name for text in DEVICE["dependencies"]}
    assert needed == {
        *("numpy", "pillow", "pyttsx3", "ai-edge-litert", "ml-dtypes", "tflite-runtime")
    }


def pinned(name: str, python: str = "3.11", machine: str = "x86_64") -> dict[str, str]:
    """What a lock file installs there: versions by name."""
    environment = {"python_version": python, "platform_machine": machine}
    lines = [line for line in locked(name).splitlines() if "==" in line]
    items = [Requirement(line.removesuffix("\\")) for line in lines]
    return {
        item.name: str(item.specifier).removeprefix("==")
        for item in items
        if item.marker is None or item.marker.evaluate(environment)
    }


def locked(name: str) -> str:
    return (LOCKS / f"{name}.txt").read_text("utf-8")


SETS = sorted(path.stem for path in LOCKS.glob("*.txt"))


@pytest.mark.parametrize("name", SETS)
def test_lock_files_name_content_and_no_place(name: str) -> None:
    package = (
        r"[a-z0-9-]+==[\w.+-]+(?: ; [^\\\n]+)? \\\n"
        r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*    --hash=sha256:[0-9a-f]{64}\n"
    )
    assert re.fullmatch(rf"# Written by scripts/lock: .+\n(?:{package})+", locked(name))


def test_sets_that_meet_have_the_same_versions() -> None:
    """`tflite` and `mediapipe` are older on purpose, and alone in their environments."""
    for other in set(SETS) - {"development", "tflite", "mediapipe"}:
        ours = pinned("development")
        assert {n: v for n, v in pinned(other).items() if ours.get(n, v) != v} == {}, other
    packaged = re.findall(r"^([\w-]+)==(\S+)", packaged_lock("litert"), re.MULTILINE)
    assert dict(packaged).items() <= pinned("device").items()


def packaged_lock(runtime: str) -> str:
    return (ROOT / "systemd" / f"requirements-{runtime}.txt").read_text("utf-8")


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("device", DEVICE["dependencies"]),
        ("video", DEVICE["optional-dependencies"]["video"]),
        ("development", DEVICE["dependencies"]),
        ("development", DEVICE["optional-dependencies"]["dev"]),
        ("development", DEVICE["optional-dependencies"]["video"]),
        ("development", [text for text in BENCH["dependencies"] if "pi-classifier" not in text]),
    ],
)
def test_lock_files_hold_what_pyproject_asks_for(
    name: str, wanted: list[str], python: str, machine: str
) -> None:
    pins = pinned(name, python, machine)
    there = {"python_version": python, "platform_machine": machine, "extra": ""}
    for item in map(Requirement, wanted):
        if item.marker is None or item.marker.evaluate(there):
            assert item.specifier.contains(pins[item.name]), str(item)


def needed_by(requirement: Requirement) -> set[str]:
    """The names of a distribution and of all it needs here, in lower case with hyphens."""
    names: set[str] = set()
    open_ends = [requirement]
    while open_ends:
        one = open_ends.pop()
        name = re.sub("[-_.]+", "-", one.name).lower()
        if name in names or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        names.add(name)
        open_ends += [Requirement(text) for text in requires(one.name) or []]
    return names


def test_what_is_installed_is_locked_with_all_that_it_needs() -> None:
    """pip is told not to look for what is missing."""
    asked = [*DEVICE["dependencies"], *DEVICE["optional-dependencies"]["dev"]]
    asked += [text for text in BENCH["dependencies"] if "pi-classifier" not in text]
    names = set().union(*map(needed_by, map(Requirement, asked)))
    pins = pinned("development")
    assert names <= pins.keys()
    tools = ("hypothesis", "import-linter", "mypy", "numpy", "pytest", "ruff")
    assert {name: version(name) for name in tools} == {name: pins[name] for name in tools}


def test_scripts_install_nothing_that_is_not_locked() -> None:
    """Every call of pip names a lock file, or what was built here, and forbids the rest."""
    scripts = [*(ROOT / "scripts").iterdir(), *(ROOT / "systemd").glob("*.sh")]
    text = "\n".join(path.read_text("utf-8").replace("\\\n", " ") for path in scripts)
    calls = re.findall(r"^.*\bpip(?:_install)? .*$", text, re.MULTILINE)
    calls = [call for call in calls if re.search(r"\bpip(_install| install| download) ", call)]
    assert len(calls) >= 8
    for call in calls:
        ours = '"${own[@]}"' in call or ('"$@"' in call and "--no-deps" in call)
        assert "--require-hashes" in call or ours or call.startswith("#"), call


def test_hooks_are_the_project_s_scripts() -> None:
    text = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"repo: (\S+)", text) == ["local"]
    entries = re.findall(r"entry: (\S+)", text)
    assert len(entries) == text.count("- id:") == text.count("language: system")
    for entry in entries:
        assert (ROOT / entry).stat().st_mode & 0o100, entry


def test_no_shell_script_is_overlooked_by_the_gate() -> None:
    gate = (ROOT / "scripts" / "check").read_text("utf-8")
    (line,) = [line for line in gate.splitlines() if line.startswith("shellcheck ")]
    listed = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {line.removeprefix('shellcheck ')}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    shell = {
        path.relative_to(ROOT).as_posix()
        for folder in ("scripts", ".ci", "systemd")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and re.match(rb"#!.*\b(ba|da)?sh\b", path.read_bytes())
    }
    assert shell <= set(listed)
