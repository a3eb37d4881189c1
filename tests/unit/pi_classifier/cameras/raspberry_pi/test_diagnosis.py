"""What a Pi's owner reads when their camera does not work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from pi_classifier.cameras.raspberry_pi import diagnosis
from pi_classifier.errors import CameraError, CameraUnavailable, ConfigError


def chained(*errors: Exception) -> Exception:
    """The first of the errors, each caused by the next."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


class TestImport:
    def test_not_installed(self, tmp_path: Path) -> None:
        error = ModuleNotFoundError("No module named 'picamera2'", name="picamera2")
        text = str(diagnosis.import_failure(error, tmp_path))
        assert "picamera2 is not installed" in text
        assert "sudo apt install python3-picamera2 --no-install-recommends" in text
        assert '"emulated"' in text

    @pytest.mark.parametrize("name", ["picamera2", "libcamera"])
    def test_installed_but_not_visible_in_this_environment(
        self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / name).mkdir()
        monkeypatch.setattr(sys, "prefix", "/home/pi/env")
        error = ModuleNotFoundError(f"No module named '{name}'", name=name)
        text = str(diagnosis.import_failure(error, tmp_path))
        assert "not visible in the environment /home/pi/env" in text
        assert "python3 -m venv --system-site-packages /home/pi/env" in text

    def test_numpy_of_another_make(self) -> None:
        error = ValueError(
            "numpy.dtype size changed, may indicate binary incompatibility. Expected 96, got 88"
        )
        text = str(diagnosis.import_failure(error))
        assert "has a numpy of its own" in text
        assert "-m pip uninstall numpy simplejpeg" in text

    def test_anything_else(self) -> None:
        text = str(diagnosis.import_failure(ImportError("libcamera.so.0.5: no such file")))
        assert "libcamera.so.0.5" in text
        assert "sudo apt install python3-picamera2" in text

    def test_too_old(self) -> None:
        assert "0.3.20 is too old, 0.3.21" in str(diagnosis.too_old("0.3.20"))


class TestExplained:
    def test_busy_names_whoever_has_it(self, tmp_path: Path) -> None:
        device = tmp_path / "media0"
        device.touch()
        program = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
        with subprocess.Popen(
            [sys.executable, "-c", program, str(device)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as other:
            assert other.stdout is not None
            other.stdout.readline()
            error = chained(
                RuntimeError("Camera __init__ sequence did not complete."),
                RuntimeError("Failed to acquire camera: Device or resource busy"),
            )
            text = str(diagnosis.explained(error, "opening it", tmp_path))
            other.communicate()
        assert "busy, in use by python" in text
        assert f"(process {other.pid})" in text

    @pytest.mark.parametrize(
        ("error", "kind", "words"),
        [
            (OSError(errno.ENOMEM, "Cannot allocate memory"), CameraUnavailable, "CMA"),
            (RuntimeError("Failed to start: Cannot allocate memory"), CameraUnavailable, "CMA"),
            (
                PermissionError(errno.EACCES, "Permission denied", "/dev/media3"),
                CameraUnavailable,
                "no permission to open /dev/media3",
            ),
            (
                RuntimeError("Failed to acquire camera: Permission denied"),
                CameraUnavailable,
                "no permission to open /dev/media0",
            ),
            (RuntimeError("Could not open any dmaHeap device"), CameraUnavailable, "dma_heap"),
            (RuntimeError("Invalid camera configuration: {}"), ConfigError, "camera.width"),
            (RuntimeError("Control X is not advertised by libcamera"), ConfigError, "controls"),
            (RuntimeError("it broke"), CameraError, "while starting it: it broke; check with"),
            (CameraError("said already"), CameraError, "^said already$"),
        ],
    )
    def test_every_cause_has_its_cure(
        self, error: Exception, kind: type[Exception], words: str, tmp_path: Path
    ) -> None:
        explained = diagnosis.explained(error, "starting it", tmp_path)
        with pytest.raises(kind, match=words):
            raise explained

    def test_a_loop_of_causes_ends(self) -> None:
        one, other = RuntimeError("one"), RuntimeError("other")
        one.__cause__, other.__cause__ = other, one
        assert "one: other" in str(diagnosis.explained(one, "opening it"))


def test_no_camera_because_of_no_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "media0").touch()
    assert "no camera is found" in str(diagnosis.no_camera(tmp_path))
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may do everything
    assert "no permission to open" in str(diagnosis.no_camera(tmp_path))


def test_the_heap_is_looked_at_before_the_camera_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heap = tmp_path / "dma_heap/linux,cma"
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    diagnosis.check_heap(tmp_path)  # picamera2 itself says that there is none
    heap.parent.mkdir()
    heap.touch()
    with pytest.raises(CameraUnavailable, match=r"no permission to open .*linux,cma"):
        diagnosis.check_heap(tmp_path)
