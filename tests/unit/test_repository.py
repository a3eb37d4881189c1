"""What several files of the repository say alike: versions, licenses, metadata, tools, hooks."""

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
CONSTRAINTS = ROOT / "constraints-dev.txt"


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


def test_the_bench_has_the_license_of_the_repository() -> None:
    assert (ROOT / "training" / "LICENSE").samefile(ROOT / "LICENSE")


def test_the_device_needs_nothing_of_the_bench() -> None:
    needed = {Requirement(text).name for text in DEVICE["dependencies"]}
    assert needed == {
        *("numpy", "pillow", "pyttsx3", "ai-edge-litert", "ml-dtypes", "tflite-runtime")
    }


def pinned() -> dict[str, str]:
    lines = CONSTRAINTS.read_text("utf-8").splitlines()
    pins = [line.partition("==") for line in lines if not line.startswith("#")]
    return {name: number for name, _, number in pins}


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


def test_every_development_tool_is_pinned() -> None:
    libraries = {"flatbuffers"}  # the bench's own: tests run with what users get
    tools = [Requirement(text) for text in DEVICE["optional-dependencies"]["dev"]]
    names = set().union(*map(needed_by, tools)) - libraries
    assert names <= pinned().keys()
    assert re.fullmatch(r"(#.*\n|[a-z0-9-]+==[\w.]+\n)+", CONSTRAINTS.read_text("utf-8"))


def test_the_tests_run_with_the_pinned_tools() -> None:
    tools = ("hypothesis", "import-linter", "mypy", "pytest", "ruff")
    assert {name: version(name) for name in tools} == {name: pinned()[name] for name in tools}


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
