from __future__ import annotations

import platform
from pathlib import Path
from types import ModuleType

import pytest

from pi_classifier.inference import interpreter
from pi_classifier.inference.cpu_features import hwcap, lacks_atomics

# AT_HWCAP as Linux gives it on these boards.
PI_4 = 0x887
PI_5 = 0x119FFF
X86 = 0x178BFBFF


@pytest.mark.parametrize(
    ("machine", "bits", "lacking"),
    [
        ("aarch64", PI_4, True),
        ("aarch64", PI_5, False),
        ("aarch64", 1 << 8, False),
        ("aarch64", ~(1 << 8), True),
        ("aarch64", 0, True),
        ("x86_64", PI_4, False),
        ("x86_64", X86, False),
        ("armv7l", 0, False),
    ],
)
def test_which_processors_lack_atomics(machine: str, bits: int, lacking: bool) -> None:
    assert lacks_atomics(machine, bits) is lacking


def test_the_c_library_tells() -> None:
    expected = platform.system() == "Linux"
    assert (hwcap() > 0) is expected


class TestThePlugInThatEndsTheProcess:
    @pytest.mark.parametrize("lacking", [True, False])
    @pytest.mark.parametrize("there", [True, False])
    def test_it_is_never_loaded_where_it_cannot_run(
        self, lacking: bool, there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        if there:
            (tmp_path / "libLiteRtWebGpuAccelerator.so").touch()
        module = ModuleType("litert")
        module.__file__ = str(tmp_path / "interpreter.py")
        monkeypatch.setattr(interpreter, "this_lacks_atomics", lambda: lacking)
        assert interpreter._compiled_model_is_safe(module) is not (lacking and there)
