"""espeak-ng's library: known by its file, without starting it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pi_classifier.speech.engines import espeak
from pi_classifier.speech.engines.espeak import library_version


def test_library_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "libespeak-ng.so.1.2.3").write_bytes(b"12345")
    (tmp_path / "libespeak-ng.so.1").symlink_to("libespeak-ng.so.1.2.3")
    monkeypatch.setattr(espeak, "_LIBRARY_PLACES", (str(tmp_path),))
    assert library_version() == "libespeak-ng.so.1.2.3 5"
    shutil.rmtree(tmp_path)
    assert library_version() == ""
