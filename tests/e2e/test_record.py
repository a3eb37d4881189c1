"""`pi-classifier record` from the outside: the same decisions again, whatever ends it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "AbstractContextManager[subprocess.Popen[str]]"]

MODEL = Path(__file__).parents[1] / "data/int8.tflite"
SMALL = ("--set", "camera.width=64", "--set", "camera.height=48")


def decisions(program: Program, camera: str, *more: object) -> str:
    done = program(
        "run", "--model", MODEL, "--camera", camera, "--json", "--fast", "--no-speech", *more
    )
    assert done.returncode == 0, done.stderr
    return decided(done.stdout)


def decided(lines: str) -> str:
    """The lines without what differs from run to run, and what the recording calls a picture."""
    own = (json.loads(line) for line in lines.splitlines())
    return "\n".join(
        json.dumps({k: v for k, v in line.items() if k not in {"time", "latency_ms", "picture"}})
        for line in own
    )


@pytest.mark.parametrize("more", [(), ("--uncompressed",)])
def test_a_recording_gives_the_same_decisions(
    program: Program, photos: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    source = ("--camera", f"replay:{photos}", "--fast", *more)
    done = program("record", *source, tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    assert "recorded 60 frames (0 dropped)" in done.stderr
    live = decisions(program, f"replay:{photos}")
    assert len(live.splitlines()) == 6
    assert decisions(program, f"replay:{tmp_path / 'kept'}") == live


def test_drops_and_times_of_the_emulated_garden_are_kept(program: Program, tmp_path: Path) -> None:
    """With the shipped cascade, at a frame size that is resized, and with frames missing."""
    faults = ("--set", 'camera.faults=["drop@20:7"]', "--set", "camera.fps=7")
    size = ("--set", "camera.width=320", "--set", "camera.height=240")
    garden = ("--seed", 3, "--frames", 40, *faults, *size)
    folder = tmp_path / "garden"
    done = program("record", "--camera", "emulated", "--fast", *garden, folder)
    assert "recorded 40 frames (7 dropped)" in done.stderr
    run = ("run", "--model", "flowers", "--json", "--fast", "--no-speech")
    live = decided(program(*run, "--camera", "emulated", *garden).stdout)
    assert len(live.splitlines()) >= 3
    assert decided(program(*run, "--camera", f"replay:{folder}").stdout) == live


def test_the_same_picture_is_kept_once(program: Program, photos: Path, tmp_path: Path) -> None:
    program("record", "--camera", f"replay:{photos}", "--fast", tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.webp"))) == 6


def test_killed_in_the_middle_it_plays_to_its_last_whole_frame(
    start: Start, program: Program, tmp_path: Path
) -> None:
    folder = tmp_path / "killed"
    with start("record", "--camera", "emulated", "--fast", folder, *SMALL) as process:
        index = folder / "recording.jsonl"
        while not index.exists() or len(index.read_bytes().splitlines()) < 20:
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
    frames = index.read_bytes().count(b"\n") - 1
    assert frames >= 18
    again = program("record", "--camera", f"replay:{folder}", "--fast", tmp_path / "copy")
    assert f"recorded {frames} frames (0 dropped)" in again.stderr


def test_ctrl_c_ends_it_well(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    with start("record", "--camera", "emulated", folder, *SMALL) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"records emulated into {folder}; Ctrl-C ends it\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "MB" in err


def test_it_ends_before_it_is_too_large(program: Program, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    done = program(
        "record",
        "--camera",
        "emulated",
        "--fast",
        "--max-mb",
        0.1,
        "--uncompressed",
        folder,
        *SMALL,
    )
    assert done.returncode == 0
    assert "as much as --max-mb 0.1 allows" in done.stderr
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert 80_000 < size <= 100_000


def test_a_folder_with_something_in_it_is_left_alone(program: Program, photos: Path) -> None:
    before = sorted(photos.iterdir())
    done = program("record", "--camera", "emulated", "--fast", "--frames", 3, photos)
    assert done.returncode == 78
    assert "exists and is not empty; name a new folder" in done.stderr
    assert sorted(photos.iterdir()) == before


def test_a_folder_that_cannot_be_made_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = program("record", "--camera", "emulated", "--frames", 1, tmp_path / "file" / "kept")
    assert done.returncode == 78
    assert "kept: cannot be written: Not a directory" in done.stderr


def test_a_full_disk_leaves_what_can_be_played(program: Program, tmp_path: Path) -> None:
    """A limit on the size of files refuses a write as a full disk does, in the middle."""
    folder = tmp_path / "kept"
    done = subprocess.run(
        [sys.executable, "-m", "pi_classifier", "record", "--camera", "emulated", "--fast",
         "--set", "camera.width=32", "--set", "camera.height=16", folder],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)),
        capture_output=True, text=True, check=False, timeout=60,
        env=os.environ | {"HOME": str(tmp_path)}, cwd=MODEL.parents[2],
    )  # fmt: skip
    assert done.returncode == 74
    index = (folder / "recording.jsonl").read_bytes()
    whole = index.count(b"\n") - 1
    assert whole >= 5
    assert index.endswith(b"\n")
    assert f"kept: the disk is full; {whole} frames are recorded and can be played" in done.stderr
    again = program("record", "--camera", f"replay:{folder}", "--fast", tmp_path / "copy")
    assert f"recorded {whole} frames" in again.stderr


def test_passwords_of_cameras_are_not_kept(program: Program, tmp_path: Path) -> None:
    done = program("record", "--camera", "rtsp://me:s3cret@127.0.0.1:9/x", "--set",
                   "camera.recovery_s=0", tmp_path / "kept")  # fmt: skip
    assert done.returncode == 75
    assert "rtsp://***@127.0.0.1:9/x: connection refused" in done.stderr
    assert "s3cret" not in done.stderr
    assert not (tmp_path / "kept").exists()


def test_passwords_of_cameras_are_not_logged(program: Program, tmp_path: Path) -> None:
    camera = ("--camera", "rtsp://me:s3cret@127.0.0.1:9/x", "--set", "camera.recovery_s=1")
    done = program("run", "--model", MODEL, *camera, "--no-speech", "--set", "run.log_level=debug")
    assert done.returncode == 75
    assert "rtsp://***@127.0.0.1:9/x: connection refused" in done.stderr
    assert "s3cret" not in done.stderr
