"""Video files through the real decoder: every frame, the file's times."""

from __future__ import annotations

import re
import resource
import struct
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from pi_classifier.cameras import CameraSettings, open_camera
from pi_classifier.cameras.playback import PlayedCamera
from pi_classifier.cameras.video.file import open_video_file
from pi_classifier.errors import CameraUnavailable, ConfigError
from tests.servers.films import film
from tests.virtual_clock import VirtualClock


def played(path: Path, side: int = 48, **changes: object) -> PlayedCamera:
    settings = CameraSettings(**({"realtime": False} | changes))  # type: ignore[arg-type]
    return open_video_file(path, settings, side)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "mpeg4"), ("a.mkv", "libx264"), ("a.avi", "mjpeg"), ("a.webm", "libvpx")],
)
def test_every_frame_of_every_kind(tmp_path: Path, name: str, codec: str) -> None:
    frames = list(played(film(tmp_path / name, codec=codec)).frames())
    assert [frame.sequence for frame in frames] == list(range(30))
    grays = [int(frame.pixels[20, 30, 0]) for frame in frames]
    assert np.abs(np.diff(np.array(grays) - 8 * np.arange(30) % 250)).max() <= 6


def test_times_are_the_files(tmp_path: Path) -> None:
    frames = list(played(film(tmp_path / "a.mp4", fps=Fraction(30000, 1001))).frames())
    assert frames[0].timestamp_ns == 0
    assert frames[-1].timestamp_ns == pytest.approx(29 * 1001 / 30000 * 1e9, abs=1e6)


def test_the_pace_is_the_files(tmp_path: Path) -> None:
    clock = VirtualClock()
    path = film(tmp_path / "a.mp4", fps=4, frames=9)
    camera = open_video_file(path, CameraSettings(fps=100.0), 48, clock)
    assert len(list(camera.frames())) == 9
    assert clock.time_s == pytest.approx(102.0)


def test_a_loop_goes_on(tmp_path: Path) -> None:
    frames = list(islice(played(film(tmp_path / "a.mp4", frames=5), loop=True).frames(), 12))
    assert [frame.sequence for frame in frames] == list(range(12))
    assert [round(frame.timestamp_ns / 1e8) for frame in frames] == list(range(12))
    assert [int(frame.pixels[20, 30, 0]) // 8 for frame in frames[5:10]] == [
        int(frame.pixels[20, 30, 0]) // 8 for frame in frames[:5]
    ]


def test_swscale_makes_frames_smaller_never_larger(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", size=(128, 96), frames=2)
    assert next(iter(played(path, 48).frames())).pixels.shape == (48, 64, 3)
    assert next(iter(played(path, 200).frames())).pixels.shape == (96, 128, 3)
    settings = CameraSettings(source=f"replay:{path}", realtime=False, width=64, height=32)
    assert next(iter(open_camera(settings).frames())).pixels.shape == (32, 42, 3)
    assert next(iter(open_camera(settings, (24, 16)).frames())).pixels.shape == (24, 32, 3)


def test_a_telephones_turned_video_is_upright(tmp_path: Path) -> None:
    import av

    if not hasattr(av.VideoFrame, "rotation"):
        pytest.fail("this PyAV does not tell; the docs say so of Debian 12's")
    path = film(tmp_path / "a.mp4", size=(64, 48), frames=2)
    data = bytearray(path.read_bytes())
    # The matrix of the track's head (ISO 14496-12): shown turned right by 90 degrees.
    place = data.index(b"tkhd") + 4 + 40
    data[place : place + 36] = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    assert next(iter(played(path).frames())).pixels.shape == (64, 48, 3)


def test_a_file_cut_off_plays_to_there(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", codec="libx264", frames=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    assert 10 <= len(list(played(path).frames())) < 60


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read as a video"), (b"no video at all", "cannot be read as a video")],
)
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=f"a.mp4: {message}"):
        open_camera(CameraSettings(source=f"replay:{path}"))


def test_a_sound_is_no_video(tmp_path: Path) -> None:
    import wave

    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(b"\0\0" * 800)
    with pytest.raises(ConfigError, match="of no kind that is played here"):
        open_camera(CameraSettings(source=f"replay:{tmp_path / 'a.wav'}"))


def test_names_that_look_like_protocols_are_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(tmp_path / "concat:b.mp4", frames=3)
    monkeypatch.chdir(tmp_path)
    camera = open_camera(CameraSettings(source="replay:concat:b.mp4", realtime=False))
    assert len(list(camera.frames())) == 3


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n"),
        ("a.ffconcat", "ffconcat version 1.0\nfile '{film}'\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nt=0 0\nm=video 9 RTP/AVP 26\n"),
        ("a.mpd", "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>"),
    ],
)
def test_a_list_of_other_files_is_not_followed(tmp_path: Path, name: str, content: str) -> None:
    film(tmp_path / "film.ts", codec="mpeg2video", fps=25)
    path = tmp_path / name
    path.write_text(content.format(film=tmp_path / "film.ts"))
    with pytest.raises(ConfigError, match=f"{name}: cannot be read as a video"):
        played(path)


def test_pictures_beyond_any_bound_are_refused_before_one_is_decoded(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", codec="mjpeg", frames=2)
    data = bytearray(path.read_bytes())
    for start in (place.end() + 3 for place in re.finditer(b"\xff\xc0", bytes(data))):
        data[start : start + 4] = struct.pack(">2H", 20_000, 20_000)  # SOF0: height, width
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="not one of its frames can be decoded"):
        list(played(path).frames())
    head = data.index(b"strf") + 8  # what the file says of them: BITMAPINFOHEADER
    data[head + 4 : head + 12] = struct.pack("<2i", 20_000, 20_000)
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="larger than 8192 by 4320 pixels"):
        played(path)


def test_a_disk_that_cannot_be_read_now_is_tried_again(tmp_path: Path) -> None:
    """No more files may be opened: that is no fault of the film's, and may pass."""
    path = film(tmp_path / "a.mp4", frames=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    played(path).close()  # its libraries are open from here on
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        with pytest.raises(CameraUnavailable, match=r"cannot be read now .too many open files"):
            played(path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
