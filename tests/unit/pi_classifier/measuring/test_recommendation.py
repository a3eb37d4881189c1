"""What is recommended follows from what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.config.settings import Settings
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.tiles import TilesSettings
from pi_classifier.measuring.board_bench import BoardBench, Conditions, Spread, Variant
from pi_classifier.measuring.recommendation import Recommendation, recommend
from pi_classifier.system.resources import Memory


def exactly(ms: float, n: int = 100) -> Spread:
    return Spread(n, ms, ms, ms, ms, 0.0)


def bench(
    *variants: tuple[str, int, float],
    threads: int = 1,
    fps: float = 10.0,
    preprocess_ms: float = 1.0,
    steps: Mapping[str, Spread] | None = None,
) -> BoardBench:
    """A bench of the model "birds" whose frames take 2 ms besides classifying."""
    classify = variants[0][2]
    return BoardBench(
        settings=Settings(
            camera=CameraSettings(fps=fps), model=ModelSettings("birds", num_threads=threads)
        ),
        frame_size=(480, 640),
        model_size=(224, 224),
        opened_s=0.2,
        first_label_s=0.4,
        counted="100 frames",
        seconds=10.0,
        frames=100,
        steps={
            "birds: preprocess": exactly(preprocess_ms),
            "classify": exactly(classify),
            "frame": exactly(classify + 2),
        },
        interval=exactly(100.0, 99),
        sustained_fps=50.0,
        sustained={},
        variants=tuple(Variant(name, number, exactly(ms)) for name, number, ms in variants),
        memory=Memory(60.0, 30.0, 30.0, 61.0),
        conditions=Conditions(),
    )


TILES = TilesSettings(sizes=(0.25,))


def found_of(other: BoardBench, side: int) -> BoardBench:
    """The bench with a model that looks at pictures of this side."""
    return replace(other, model_size=(side, side))


def advice(*variants: tuple[str, int, float], **others: float) -> Recommendation:
    return recommend(bench(*variants, **others))  # type: ignore[arg-type]


def test_what_keeps_up_is_kept() -> None:
    found = advice(("birds", 1, 20.0), ("birds", 2, 12.0), ("small", 1, 2.0))
    assert found.changes == {}
    assert found.text == (
        "Recommendation: keep what you have (birds, 1 thread, 640×480, 10 frames a second): "
        "99 of 100 frames then take up to 22.0 ms of the 100 ms until the next one."
    )


def test_more_threads_where_one_is_too_slow() -> None:
    found = advice(("birds", 1, 90.0), ("birds", 2, 50.0), ("birds", 4, 30.0), ("small", 1, 5.0))
    assert found.changes == {"model.num_threads": 2}
    assert "set model.num_threads = 2, so that it is birds, 2 threads" in found.text


def test_no_more_threads_than_are_needed() -> None:
    assert advice(("birds", 1, 20.0), ("birds", 4, 8.0), threads=4).changes == {
        "model.num_threads": 1
    }


def test_the_most_accurate_of_the_other_models_that_keep_up() -> None:
    found = advice(("birds", 1, 500.0), ("birds/tiny", 1, 5.0), ("birds/fair", 1, 40.0))
    assert found.changes == {"model.path": "birds/fair"}


@pytest.mark.parametrize(("ms", "fps"), [(95.0, 5.0), (135.0, 5.0), (300.0, 2.0), (1e5, 0.5)])
def test_fewer_frames_where_nothing_keeps_up(ms: float, fps: float) -> None:
    found = advice(("birds", 1, ms))
    assert found.changes == {"camera.fps": fps}
    assert found.fps == fps


def test_the_limit_is_seven_tenths_of_the_time_between_two_frames() -> None:
    assert advice(("birds", 1, 68.0)).changes == {}
    assert advice(("birds", 1, 68.1)).changes != {}


def test_smaller_pictures_where_making_them_smaller_takes_most_of_the_time() -> None:
    found = advice(("birds", 1, 10.0), preprocess_ms=6.0)
    assert found.changes == {"camera.width": 320, "camera.height": 240}
    tight = replace(bench(("birds", 1, 10.0), preprocess_ms=6.0), model_size=(320, 320))
    assert recommend(tight).changes == {}
    tiled = replace(found_of(tight, 224), settings=replace(tight.settings, tiles=TILES))
    assert recommend(tiled).changes == {}
    assert advice(("birds", 1, 7.0), preprocess_ms=6.0).changes == {}  # a board that idles


def test_a_board_that_was_slowed_down_looks_half_as_often() -> None:
    hot = replace(bench(("birds", 1, 10.0)), conditions=Conditions(70.0, 82.0, throttled=True))
    assert recommend(hot).changes == {"camera.fps": 5.0}
    assert "slowed down, by heat or a weak supply" in recommend(hot).text


def test_a_sensor_that_classifies_by_itself_has_no_other_models() -> None:
    found = recommend(replace(bench(("imx500", 1, 1.0)), variants=()))
    assert found.changes == {}
    assert "nothing could be tried in place of it" in found.text
