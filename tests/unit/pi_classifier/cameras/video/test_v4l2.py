"""Finding webcams in a tree like the kernel's, and reading its answers."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from pi_classifier.cameras.video.v4l2 import (
    ENUM_FMT,
    ENUM_FRAMEINTERVALS,
    ENUM_FRAMESIZES,
    WebcamMode,
    best_mode,
    read_modes,
    webcams,
)


def node(root: Path, number: int, name: str, *, usb: bool = True, index: int = 0) -> None:
    """One entry of /sys/class/video4linux, and its device."""
    folder = root / "sys" / f"video{number}"
    (folder / "device").mkdir(parents=True)
    bus = root / "bus" / ("usb" if usb else "platform")
    bus.mkdir(parents=True, exist_ok=True)
    (folder / "device" / "subsystem").symlink_to(bus)
    (folder / "name").write_text(f"{name}\n")
    (folder / "index").write_text(f"{index}\n")
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / f"video{number}").touch()


def test_webcams_are_told_from_the_pis_own_devices(tmp_path: Path) -> None:
    node(tmp_path, 10, "bcm2835-codec-decode", usb=False)
    node(tmp_path, 12, "HD Pro Webcam C920")
    node(tmp_path, 13, "HD Pro Webcam C920", index=1)
    node(tmp_path, 2, "UVC Camera (046d:0825)")
    links = tmp_path / "dev" / "v4l" / "by-id"
    links.mkdir(parents=True)
    (links / "usb-046d_C920-video-index0").symlink_to("../../video12")
    listed = webcams(tmp_path / "sys", tmp_path / "dev")
    assert [webcam.device.name for webcam in listed] == ["video2", "video12"]
    assert listed[0].select == f"webcam:{tmp_path}/dev/video2"
    assert listed[1].select == f"webcam:{links}/usb-046d_C920-video-index0"
    assert listed[1].name == "HD Pro Webcam C920"


def test_a_computer_without_video_devices_has_no_webcam(tmp_path: Path) -> None:
    assert webcams(tmp_path / "sys", tmp_path / "dev") == []


class Driver:
    """Answers the kernel's questions as a webcam's driver does (linux/videodev2.h)."""

    def __init__(self, *, endless: bool = False) -> None:
        self.sizes = {b"YUYV": [(640, 480), (1280, 720)], b"MJPG": [(1920, 1080), (640, 480)]}
        self.endless = endless

    def __call__(self, fd: int, request: int, answer: bytearray) -> None:
        (index,) = struct.unpack_from("<I", answer)
        assert len(answer) == request >> 16 & 0x3FFF  # the size is part of the number
        try:
            if request == ENUM_FMT:
                answer[44:48] = list(self.sizes)[0 if self.endless else index]
            elif request == ENUM_FRAMESIZES:
                size = self.sizes[bytes(answer[4:8])][index]
                struct.pack_into("<III", answer, 8, 1, *size)
            elif request == ENUM_FRAMEINTERVALS:
                width, height = struct.unpack_from("<II", answer, 8)
                assert (width, height) in self.sizes[bytes(answer[4:8])]
                interval = [(1, 30), (1, 15)][index] if width == 640 else [(1, 5)][index]
                struct.pack_into("<III", answer, 16, 1, *interval)
        except IndexError:
            raise OSError(22, "Invalid argument") from None


def test_modes_are_read_with_their_highest_rate(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    assert [str(mode) for mode in read_modes(device, Driver())] == [
        "640x480 YUYV at 30 frames/s",
        "1280x720 YUYV at 5 frames/s",
        "1920x1080 MJPG at 5 frames/s",
        "640x480 MJPG at 30 frames/s",
    ]


def test_a_range_of_sizes_counts_as_its_largest(tmp_path: Path) -> None:
    class Ranges(Driver):
        def __call__(self, fd: int, request: int, answer: bytearray) -> None:
            if request == ENUM_FRAMESIZES:
                struct.pack_into("<7I", answer, 8, 3, 32, 3280, 2, 30, 2464, 2)
            elif request == ENUM_FRAMEINTERVALS:
                raise OSError(22, "Invalid argument")
            else:
                super().__call__(fd, request, answer)

    device = tmp_path / "video0"
    device.touch()
    assert str(read_modes(device, Ranges())[0]) == "3280x2464 YUYV"


def test_a_driver_without_an_end_does_not_hang_it(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.touch()
    assert len(read_modes(device, Driver(endless=True))) == 128


def test_what_is_no_video_device_has_no_modes() -> None:
    assert read_modes(Path("/dev/null")) == []


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([("YUYV", 640, 480), ("MJPG", 640, 480)], ("MJPG", 640, 480)),
        ([("MJPG", 1920, 1080), ("MJPG", 800, 600)], ("MJPG", 800, 600)),
        ([("MJPG", 320, 240), ("MJPG", 160, 120)], ("MJPG", 320, 240)),
        ([("YUYV", 640, 480), ("MJPG", 320, 240)], ("MJPG", 320, 240)),
        ([("YUYV", 1280, 720), ("YUYV", 640, 480)], ("YUYV", 640, 480)),
    ],
)
def test_which_mode_serves_best(
    listed: list[tuple[str, int, int]], expected: tuple[str, int, int]
) -> None:
    best = best_mode([WebcamMode(*mode, fps=30.0) for mode in listed], 640, 480)
    assert best is not None
    assert (best.format, best.width, best.height) == expected
    assert best_mode([], 640, 480) is None
