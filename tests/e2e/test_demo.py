"""scripts/demo as a newcomer meets it, only shorter: labels, speech, summary, what to do next."""

from __future__ import annotations

import os
import subprocess
import wave
from pathlib import Path

import pytest

from pi_classifier.cameras.emulated.scenes import LABELS

ROOT = Path(__file__).parents[2]
SPOKEN = ROOT / "demo/spoken.wav"


@pytest.fixture
def silent(tmp_path: Path) -> dict[str, str]:
    """An environment without a sound card or a sound server."""
    alsa = tmp_path / "asound.conf"
    alsa.write_text("pcm.!default { type hw card 31 }\n")
    return os.environ | {
        "ALSA_CONFIG_PATH": str(alsa),
        "PULSE_SERVER": f"unix:{tmp_path}/none",
        "PIPEWIRE_REMOTE": f"{tmp_path}/none",
    }


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "scripts/demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment,
    )


def test_the_demo_shows_speaks_and_sums_up(silent: dict[str, str]) -> None:
    done = demo(silent, "--duration", "8")
    assert done.returncode == 0, done.stderr
    labels = done.stdout.splitlines()
    assert len(labels) >= 2
    assert set(labels) <= set(LABELS[1:])
    lines = done.stderr.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("80 frames, "))
    assert f"({len(labels)} for a label, " in lines[at]
    assert "answered by the first stage, " in lines[at + 1]
    assert any("demo/spoken.wav" in line for line in lines)
    kinds = {line.split()[0]: line for line in lines if " kB packed: " in line}
    assert set(kinds) == {"accurate", "fast", "fast-rounded"}
    assert all(" labels told, " in line and " ms per frame" in line for line in kinds.values())
    assert any("scripts/demo --camera replay:FOLDER" in line for line in lines)
    with wave.open(str(SPOKEN), "rb") as file:
        duration_s = file.getnframes() / file.getframerate()
        loudest = max(file.readframes(file.getnframes())[1::2])
    assert 0.6 * len(labels) < duration_s < 2.5 * len(labels)
    assert loudest > 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--camera",), "--camera needs a value: emulated or replay:FOLDER"),
        (("scripts",), "to see the photos of a folder write --camera replay:scripts"),
        (("--camera", "emulatd"), "Did you mean 'emulated'?"),
        (("--camra", "emulated"), "Did you mean '--camera'?"),
        (("--camera", "replay:nowhere"), "nowhere: there is no such folder"),
    ],
)
def test_mistakes_are_answered(
    silent: dict[str, str], arguments: tuple[str, ...], message: str
) -> None:
    done = demo(silent, *arguments)
    assert done.returncode != 0
    assert message in done.stderr
    assert "Traceback" not in done.stderr
