"""Importing any module of the package loads no runtime, camera, speech engine or journal."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import pi_classifier

FOREIGN = (
    "av",
    "tensorflow",
    "keras",
    "picamera2",
    "libcamera",
    "pyttsx3",
    "systemd",
    "ai_edge_litert",
    "tflite_runtime",
    "pi_classifier_training",
)

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(pi_classifier.__path__, prefix="pi_classifier.")
)

_PROBE = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def loaded_by(*modules: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", _PROBE, *modules], check=True, capture_output=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_the_package_alone_loads_nothing_foreign() -> None:
    assert loaded_by("pi_classifier").isdisjoint({*FOREIGN, "numpy", "PIL"})


def test_no_module_loads_anything_foreign() -> None:
    assert "pi_classifier.service.build" in MODULES
    assert loaded_by(*MODULES).isdisjoint(FOREIGN)


def test_the_command_line_waits_for_no_numpy() -> None:
    assert loaded_by("pi_classifier.cli").isdisjoint({"numpy", "PIL"})


def test_the_speech_child_is_light() -> None:
    """It is started for every phrase."""
    child = loaded_by("pi_classifier.speech.engines.pyttsx3_child")
    assert child.isdisjoint({"numpy", "PIL", "logging", "subprocess"})


def test_the_probe_sees_what_is_loaded() -> None:
    assert "wave" in loaded_by("wave")
    with pytest.raises(subprocess.CalledProcessError):
        loaded_by("pi_classifier.no_such_module")
