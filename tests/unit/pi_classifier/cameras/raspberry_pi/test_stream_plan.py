"""What is asked of the camera: sensor mode, and part of the view."""

from __future__ import annotations

from pi_classifier.cameras.raspberry_pi.stream_plan import crop_for, full_view


def test_variants_of_a_sensor_are_that_sensor() -> None:
    for model in ("imx708", "imx708_wide_noir", "IMX708_noir"):
        assert full_view(model, (4608, 2592)).size == (2304, 1296)


def test_an_unknown_sensor_is_asked_for_half_its_pixels() -> None:
    mode = full_view("ov64x40", (9248, 6944))
    assert (mode.size, mode.bit_depth, mode.known) == ((4624, 3472), None, False)


def test_a_region_keeps_the_aspect_of_the_frames() -> None:
    assert crop_for((0, 0, 1, 1), (0, 0, 4000, 3000), (224, 224)) == (500, 0, 3000, 3000)
    assert crop_for((0.5, 0, 0.5, 1), (8, 8, 4000, 3000), (224, 224)) == (2008, 508, 2000, 2000)
    assert crop_for((0.25, 0.25, 0.5, 0.5), (0, 0, 4000, 3000), (640, 480)) == (
        1000,
        750,
        2000,
        1500,
    )
