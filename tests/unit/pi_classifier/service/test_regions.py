"""Regions of one picture, through all that decides: each by its own rules."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.regions import RegionSettings, in_regions
from pi_classifier.config.reading import read_configuration
from pi_classifier.config.settings import Settings
from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import ConfigError
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.pipeline import decisions
from pi_classifier.service.build import make_parts, open_deciding_classifier
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.types import Decision, Frame

DATA = Path(__file__).parents[3] / "data"
LEFT = RegionSettings("feeder", (0.0, 0.0, 0.5, 1.0))
RIGHT = RegionSettings("gate", (0.5, 0.0, 0.5, 1.0))
CYAN, MAGENTA, GRAY = (0, 200, 200), (200, 0, 200), (110, 110, 110)


def settings(*regions: RegionSettings) -> Settings:
    return Settings(
        camera=CameraSettings(source="emulated"),
        model=ModelSettings(path=str(DATA / "int8.tflite"), cache_dir=""),
        decision=SmootherSettings(patience=2),
        stdout=StdoutSettings(enabled=False),
        log=LogSettings(enabled=False),
        speech=SpeechSettings(enabled=False),
        regions=regions,
    )


def frames(count: int) -> Iterator[Frame]:
    """Cyan on the left, magenta on the right."""
    pixels = np.zeros((48, 64, 3), np.uint8)
    pixels[:, :32], pixels[:, 32:] = CYAN, MAGENTA
    return (Frame(pixels, number, number * 100_000_000) for number in range(count))


def decided(settings: Settings, count: int = 6) -> list[Decision]:
    with closing(open_deciding_classifier(settings)) as classifier:
        parts = make_parts(settings, classifier, on_stdout_closed=lambda: None)
        assert parts.frame_size is None
        shown = in_regions(frames(count), parts.regions)
        return list(decisions(shown, parts.gate, parts.classifier, parts.smoother))


def told(decisions: Sequence[Decision]) -> list[tuple[str, str | None, int]]:
    return [(decision.camera, decision.label, decision.sequence) for decision in decisions]


def test_a_frame_is_cut_into_its_regions() -> None:
    parts = list(in_regions(frames(1), (LEFT, RIGHT)))
    assert [part.camera for part in parts] == ["feeder", "gate"]
    assert [part.pixels.shape for part in parts] == [(48, 32, 3)] * 2
    assert all(part.pixels.flags.c_contiguous for part in parts)
    assert (parts[1].pixels == MAGENTA).all()


def test_each_region_decides_for_itself_and_by_its_own_rules() -> None:
    slow = replace(RIGHT, patience=4)
    assert told(decided(settings(LEFT, slow))) == [("feeder", "cyan", 1), ("gate", "magenta", 3)]


def test_a_region_announces_the_labels_that_it_names_alone() -> None:
    only_yellow = replace(RIGHT, labels=("yellow",))
    assert told(decided(settings(LEFT, only_yellow))) == [("feeder", "cyan", 1)]


@pytest.mark.parametrize(
    ("regions", "says"),
    [
        ((replace(LEFT, labels=("cian",)),), "feeder: labels names 'cian'.*Did you mean 'cyan'"),
        ((replace(LEFT, threshold_low=0.9),), "feeder: threshold_low = 0.9 is above"),
    ],
)
def test_what_does_not_go_together_is_refused(
    regions: tuple[RegionSettings, ...], says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        decided(settings(*regions))


def test_regions_of_several_cameras_are_refused() -> None:
    several = replace(settings(LEFT), cameras=(CameraSettings(source="emulated", name="pond"),))
    with pytest.raises(ConfigError, match=r"there are \[\[cameras\]\].*--camera NAME"):
        decided(several)


def test_they_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text(
        '[[regions]]\nname = "feeder"\nbox = [0.1, 0.2, 0.3, 0.4]\nlabels = ["robin"]\n'
        '[[regions]]\nname = "pond"\nthreshold_high = 0.9\n'
    )
    nowhere = tmp_path / "nowhere"
    read = read_configuration(file, system_file=nowhere, user_file=nowhere).settings
    assert read.regions == (
        RegionSettings("feeder", (0.1, 0.2, 0.3, 0.4), ("robin",)),
        RegionSettings("pond", threshold_high=0.9),
    )
    file.write_text('[[regions]]\nname = "feeder"\nbox = [0.9, 0, 0.3, 0.4]\n')
    with pytest.raises(ConfigError, match=r"box = \[0.9, 0, 0.3, 0.4\]: expected left, top"):
        read_configuration(file, system_file=nowhere, user_file=nowhere)
