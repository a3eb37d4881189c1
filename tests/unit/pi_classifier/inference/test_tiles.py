from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pi_classifier.cameras import CameraSettings
from pi_classifier.config.settings import Settings
from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import ConfigError
from pi_classifier.inference.budget import Budget, CascadeSettings
from pi_classifier.inference.classifier import frame_size, model_files
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.tiles import Tiles, TilesSettings, tiled
from pi_classifier.inference.windows import Grid, Pixels, lay_out
from pi_classifier.service.build import open_deciding_classifier
from pi_classifier.types import Box, Category, Frame, Prediction, shared_part

DATA = Path(__file__).parents[3] / "data"
LABELS = ("nothing", "red", "green")
SIDE = 8
MS = 1_000_000


class Colors:
    """A classifier that gives red and green twice the share of their pixels, nothing the rest."""

    labels = LABELS
    input_size = (SIDE, SIDE)

    def __init__(self, name: str = "cheap", latency_ns: int = 0) -> None:
        self.name = name
        self.latency_ns = latency_ns
        self.asked = 0
        self.closed = False

    def classify(self, frame: Frame) -> Prediction:
        self.asked += 1
        red, green, _ = np.minimum(2 * (frame.pixels > 128).mean(axis=(0, 1)), 1).tolist()
        scores = sorted([(1 - max(red, green), 0), (red, 1), (green, 2)], reverse=True)
        categories = tuple(Category(index, LABELS[index], score) for score, index in scores)
        return Prediction(categories, self.name, 0, self.latency_ns)

    def close(self) -> None:
        self.closed = True


class Blind(Colors):
    """A classifier to which nothing looks like anything."""

    def classify(self, frame: Frame) -> Prediction:
        self.asked += 1
        return Prediction((Category(0, "nothing", 1.0),), self.name, 0, self.latency_ns)


def frame(*squares: tuple[int, int, int], height: int = 48, width: int = 64) -> Frame:
    """Black, with squares of 8 pixels: left, top, channel."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for left, top, channel in squares:
        pixels[top : top + SIDE, left : left + SIDE, channel] = 255
    return Frame(pixels, 0, 0)


# Windows of 12 pixels, each of which has another one every 6 pixels at most.
SETTINGS = TilesSettings(sizes=(0.25,), overlap=0.5, threshold=0.3)


def tiles(costly: Colors | None = None, budget: Budget | None = None, **changes: object) -> Tiles:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return Tiles(Colors(), costly, settings, {"nothing"}, budget)


def middle(box: Box) -> tuple[float, float]:
    return box[0] + box[2] / 2, box[1] + box[3] / 2


@given(left=st.integers(0, 56), top=st.integers(0, 40))
def test_a_small_thing_is_found_wherever_it_is(left: int, top: int) -> None:
    prediction = tiles().classify(frame((left, top, 0)))
    (found,) = prediction.detections
    assert (prediction.top.label, found.label) == ("red", "red")
    across, down = middle(found.box)
    assert abs(across * 64 - (left + 4)) <= 6
    assert abs(down * 48 - (top + 4)) <= 6


def test_the_whole_frame_alone_does_not_show_it() -> None:
    shrunk = Grid((48, 64), (SIDE, SIDE), 1.0).shrunk(frame((20, 20, 0)).pixels)
    assert Colors().classify(Frame(shrunk, 0, 0)).top.label == "nothing"


def test_two_things_are_two_detections_the_better_one_first() -> None:
    pixels = frame((8, 8, 1), (40, 30, 0)).pixels
    pixels[8:12, 8:16] = 0
    prediction = tiles().classify(Frame(pixels, 0, 0))
    assert [found.label for found in prediction.detections] == ["red", "green"]
    assert prediction.top.label == "red"


def test_where_nothing_is_seen_the_answer_is_the_quietest_window_s() -> None:
    pixels = frame((8, 8, 0)).pixels
    pixels[8:12] = 0
    prediction = tiles(threshold=0.9).classify(Frame(pixels, 0, 0))
    assert prediction.detections == ()
    assert prediction.top == Category(0, "nothing", 1.0)


def test_the_costly_model_has_the_last_word_on_every_candidate() -> None:
    costly = Blind("costly")
    prediction = tiles(costly).classify(frame((20, 20, 0)))
    assert costly.asked == 4
    assert prediction.detections == ()
    assert prediction.top.label == "nothing"
    agreeing = tiles(Colors("costly")).classify(frame((20, 20, 0)))
    assert (agreeing.model, agreeing.stage) == ("costly", 1)
    assert [found.label for found in agreeing.detections] == ["red"]


def test_the_costly_model_sees_the_frame_itself_at_its_own_resolution() -> None:
    shapes = []

    class Noting(Colors):
        def classify(self, frame: Frame) -> Prediction:
            shapes.append(frame.pixels.shape)
            assert frame.pixels.flags.c_contiguous
            return super().classify(frame)

    tiles(Noting("costly")).classify(frame((200, 200, 0), height=480, width=640))
    assert set(shapes) <= {(120, 120, 3)}


def test_without_time_for_the_costly_model_the_cheap_answer_stands() -> None:
    costly = Colors("costly")
    hot = tiles(costly, Budget(1000.0, lambda: True)).classify(frame((20, 20, 0)))
    assert (costly.asked, hot.skipped, hot.model) == (0, "heat", "cheap")
    assert [found.label for found in hot.detections] == ["red"]


def test_a_budget_spreads_the_windows_over_frames_and_old_answers_stand() -> None:
    ticks = count(0, MS)
    windows = len(lay_out((48, 64), (SIDE, SIDE), SETTINGS.sizes, SETTINGS.overlap)[1])
    cheap = Colors(latency_ns=MS)
    budget = Budget(50.0)
    slow = Tiles(cheap, None, SETTINGS, {"nothing"}, budget, clock_ns=lambda: next(ticks))
    labels = []
    for _ in range(6):
        before = cheap.asked
        prediction = slow.classify(frame((52, 36, 0)))  # in the last windows
        assert 0 < cheap.asked - before < windows
        assert prediction.latency_ns <= 50 * MS
        labels.append(prediction.top.label)
    assert labels[0] == "nothing"
    assert labels[-1] == "red"
    assert labels == sorted(labels)


def test_two_cameras_with_one_model_keep_their_old_answers_apart() -> None:
    ticks = count(0, MS)
    slow = Tiles(
        Colors(latency_ns=MS),
        None,
        SETTINGS,
        {"nothing"},
        Budget(50.0),
        clock_ns=lambda: next(ticks),
    )
    shown, empty = frame((52, 36, 0)), replace(frame(height=96, width=128), camera="other")
    answers = [slow.classify(one).top.label for _ in range(8) for one in (shown, empty)]
    assert answers[1::2] == ["nothing"] * 8
    assert answers[-2] == "red"


@given(
    frame_size=st.tuples(st.sampled_from([48, 480, 481]), st.sampled_from([64, 480, 1919])),
    part=st.sampled_from([0.2, 0.33, 1.0]),
    overlap=st.sampled_from([0.0, 0.5, 0.75]),
)
def test_windows_cover_the_whole_frame_and_overlap_enough(
    frame_size: tuple[int, int], part: float, overlap: float
) -> None:
    grid = Grid(frame_size, (SIDE, SIDE), part)
    corners = list(grid.corners(overlap))
    for axis in (0, 1):
        starts = sorted({corner[axis] for corner in corners})
        assert starts[0] == 0
        assert starts[-1] + SIDE == grid.size[axis]
        steps = np.diff(starts)
        assert steps.size == 0 or steps.max() <= np.ceil(SIDE * (1 - overlap))


def test_boxes_share_what_they_share() -> None:
    one: Box = (0.0, 0.0, 0.5, 0.5)
    assert shared_part(one, one) == 1.0
    assert shared_part(one, (0.25, 0.0, 0.5, 0.5)) == 0.5
    assert shared_part((0.1, 0.1, 0.1, 0.1), one) == pytest.approx(1.0)
    assert shared_part(one, (0.5, 0.0, 0.5, 0.5)) == 0.0


@pytest.mark.parametrize(
    ("height", "sizes", "overlap", "says"),
    [
        (12, (0.25,), 0.5, "3 pixels of a frame of 64 by 12, too few for a model that looks at 8"),
        (60, (0.2,), 0.9, "windows for each frame; choose larger ones"),
    ],
)
def test_frames_too_small_and_windows_too_many_are_refused(
    height: int, sizes: tuple[float, ...], overlap: float, says: str
) -> None:
    with pytest.raises(ConfigError, match=says):
        tiles(sizes=sizes, overlap=overlap).classify(frame(height=height))


def test_closes_its_models() -> None:
    costly = Colors("costly")
    both = tiles(costly)
    both.close()
    assert isinstance(both.cheap, Colors)
    assert both.cheap.closed
    assert costly.closed


def test_a_sensor_that_classifies_by_itself_has_no_windows() -> None:
    class Sensor:
        name, labels = "imx500", LABELS

        def classify(self, frame: Frame) -> Prediction:
            raise AssertionError

        def close(self) -> None: ...

    with pytest.raises(ConfigError, match="imx500 sees what its sensor sees"):
        tiled(Sensor(), SETTINGS, CascadeSettings(), ())
    alone = Colors()
    assert tiled(alone, TilesSettings(), CascadeSettings(), ()) is alone


def square(pixels: Pixels) -> Pixels:
    """A cyan square of 24 pixels on gray."""
    pixels[:] = 110
    pixels[30:54, 90:114] = (0, 200, 200)
    return pixels


def test_a_cascade_finds_a_small_square_in_a_large_frame(tmp_path: Path) -> None:
    toml = tmp_path / "cascade.toml"
    toml.write_text(
        f'[[stage]]\nmodel = "{DATA / "int8.tflite"}"\naccept = 0.9\n'
        f'[[stage]]\nmodel = "{DATA / "float32.tflite"}"\n'
    )
    settings = Settings(
        camera=CameraSettings(source="emulated"),
        model=ModelSettings(path=str(toml), cache_dir=""),
        tiles=TilesSettings(sizes=(0.2,)),
    )
    picture = Frame(square(np.zeros((120, 160, 3), np.uint8)), 0, 0)
    small = open_deciding_classifier(settings)
    try:
        prediction = small.classify(picture)
        assert frame_size(small) is None
        assert [model.name for model in model_files(small)] == ["colors-int8", "colors-float32"]
    finally:
        small.close()
    (found,) = prediction.detections
    assert found.label == prediction.top.label == "cyan"
    across, down = middle(found.box)
    assert (across * 160, down * 120) == pytest.approx((102, 42), abs=7)
    whole = open_deciding_classifier(replace(settings, tiles=TilesSettings()))
    try:
        assert whole.classify(picture).top.label == "background"
        assert frame_size(whole) == (16, 16)
    finally:
        whole.close()
    several = replace(settings, decision=SmootherSettings(multiple=True))
    with pytest.raises(ConfigError, match="one label is in force at a time"):
        open_deciding_classifier(several)
