from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path

import pytest

from pi_classifier.system.board import BoardState, HeatWatch, read_board


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_board_that_tells_nothing_is_neither_warm_nor_slow(tmp_path: Path) -> None:
    assert read_board(tmp_path) == BoardState(None, throttled=False)


def test_the_processor_s_own_zone_is_read(tmp_path: Path) -> None:
    write(tmp_path, "class/thermal/thermal_zone0/type", "acpitz\n")
    write(tmp_path, "class/thermal/thermal_zone0/temp", "20000\n")
    write(tmp_path, "class/thermal/thermal_zone1/type", "cpu-thermal\n")
    write(tmp_path, "class/thermal/thermal_zone1/temp", "61332\n")
    assert read_board(tmp_path).temperature_c == 61.332
    write(tmp_path, "class/thermal/thermal_zone1/temp", "\n")
    assert read_board(tmp_path).temperature_c is None


@pytest.mark.parametrize(
    ("flags", "slowed"),
    [("0", False), ("1", False), ("2", True), ("4", True), ("8", True), ("e0000", False),
     ("50005", True), ("", False)],
)  # fmt: skip
def test_only_what_slows_the_processor_now_counts(
    tmp_path: Path, flags: str, slowed: bool
) -> None:
    write(tmp_path, "devices/platform/soc/soc:firmware/get_throttled", f"{flags}\n")
    assert read_board(tmp_path).throttled == slowed


def test_the_watch_says_when_the_board_gets_warm_and_when_it_has_cooled(
    caplog: pytest.LogCaptureFixture,
) -> None:
    states = [BoardState(79.9), BoardState(80.0), BoardState(81.0), BoardState(60.0, True)]
    states += [BoardState(60.0)]
    with caplog.at_level(logging.INFO), closing(HeatWatch(80.0, lambda: states.pop(0))) as watch:
        seen = [watch.hot]
        for _ in range(4):
            watch.look()
            seen.append(watch.hot)
    assert seen == [False, True, True, True, False]
    assert caplog.messages == [
        "the processor at 80 °C is spared: costlier models are not asked",
        "the processor at 60 °C is asked for all again",
    ]
