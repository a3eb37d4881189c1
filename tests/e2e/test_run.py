"""`pi-classifier run` from the outside: streams, pace, signals, ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Program = Callable[..., "subprocess.CompletedProcess[str]"]
Start = Callable[..., "AbstractContextManager[subprocess.Popen[str]]"]

MODEL = Path(__file__).parents[1] / "data/int8.tflite"
SHOWN = ["cyan", None, "magenta", None, "yellow", None]


def watching(photos: Path, *more: object) -> tuple[object, ...]:
    return ("run", "--model", MODEL, "--camera", f"replay:{photos}", "--no-speech", *more)


def objects(lines: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines.splitlines()]


def test_labels_come_one_a_line_and_logs_elsewhere(program: Program, photos: Path) -> None:
    done = program(*watching(photos, "--fast"))
    assert done.returncode == 0
    assert done.stdout == "cyan\nmagenta\nyellow\n"
    assert "I see a cyan" in done.stderr
    assert "I see nothing I know" in done.stderr


def test_a_terminal_shows_each_label_once(photos: Path, tmp_path: Path) -> None:
    """Where the log and the labels meet, the log's line says it."""
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "pi_classifier", *watching(photos, "--fast")]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(
        list(map(str, command)),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=MODEL.parents[2],
        env=environment,
        check=True,
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0
    assert shown.count("I see a cyan") == 1
    assert "cyan" not in shown.splitlines()


def test_json_holds_every_decision(program: Program, photos: Path) -> None:
    done = program(*watching(photos, "--fast", "--json"))
    decisions = objects(done.stdout)
    assert [each["label"] for each in decisions] == SHOWN
    for number, each in enumerate(decisions):
        # ten frames a photo, three of them for patience
        assert each["sequence"] == number * 10 + 2
        assert each["timestamp_ns"] == each["sequence"] * 100_000_000
        assert each["stage"] == 0
        assert 0.6 <= each["score"] <= 1
        assert (photos / each["picture"]).is_file()


def test_the_same_run_gives_the_same_decisions(program: Program, photos: Path) -> None:
    first = objects(program(*watching(photos, "--fast", "--json")).stdout)
    again = objects(
        program(*watching(photos, "--json", "--set", "camera.fps=10", "--fast")).stdout
    )
    for line in (*first, *again):
        del line["time"], line["latency_ms"]  # when and how fast, which differ
    assert first == again != []


def test_frames_and_duration_end_it(program: Program, photos: Path) -> None:
    done = program(*watching(photos, "--fast", "--frames", 13, "--summary"))
    assert done.stderr.splitlines()[-2].startswith("13 frames, 2 decisions (1 for a label, ")
    done = program(*watching(photos, "--fast", "--duration", 2.3, "--summary"))
    assert done.stderr.splitlines()[-2].startswith("23 frames, 3 decisions (2 for a label, ")


def test_the_summary_is_two_lines_on_stderr(program: Program, photos: Path) -> None:
    done = program(*watching(photos, "--fast", "--summary"))
    frames, speed = done.stderr.splitlines()[-2:]
    decisions = r"6 decisions \(3 for a label, 3 for nothing\)"
    assert re.fullmatch(rf"60 frames, {decisions} in \d+\.\d s", frames)
    assert re.fullmatch(r"100% answered by the first stage, \d+\.\d ms per frame", speed)


def test_real_time_is_the_default(program: Program, photos: Path) -> None:
    began_s = time.monotonic()
    program(*watching(photos, "--frames", 16))
    assert time.monotonic() - began_s >= 1.5


def test_decisions_go_to_the_file_as_well(program: Program, photos: Path, tmp_path: Path) -> None:
    log = tmp_path / "seen" / "decisions.jsonl"
    done = program(*watching(photos, "--fast", "--set", f"jsonl.path={log}"))
    assert done.returncode == 0
    assert [each["label"] for each in objects(log.read_text())] == SHOWN


def test_labels_are_spoken(program: Program, photos: Path, tmp_path: Path) -> None:
    wav = tmp_path / "spoken.wav"
    arguments = [each for each in watching(photos, "--frames", 20) if each != "--no-speech"]
    done = program(*arguments, "--set", f"speech.output=wav:{wav}")
    assert done.returncode == 0
    assert wav.stat().st_size > 10_000


def endless(photos: Path, *more: object) -> tuple[object, ...]:
    return watching(photos, "--set", "camera.loop=true", "--set", "camera.fps=50", *more)


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("spoken", [False, True])
def test_a_signal_ends_it_within_a_second(
    start: Start, photos: Path, tmp_path: Path, signum: signal.Signals, spoken: bool
) -> None:
    log = tmp_path / "decisions.jsonl"
    arguments = [*endless(photos, "--json", "--summary", "--set", f"jsonl.path={log}")]
    if spoken:
        arguments.remove("--no-speech")
        arguments += ["--set", f"speech.output=wav:{tmp_path / 'spoken.wav'}"]
    with start(*arguments) as process:
        lines = [read_line(process) for _ in range(3)]
        process.send_signal(signum)
        began_s = time.monotonic()
        out, err = process.communicate(timeout=10)
        took_s = time.monotonic() - began_s
    assert process.returncode == 0
    assert took_s < 1.0
    printed = objects("".join(lines) + out)
    written = objects(log.read_text())
    assert [each["sequence"] for each in written] == [each["sequence"] for each in printed]
    assert re.search(rf"^\d+ frames, {len(printed)} decisions ", err, re.MULTILINE)
    assert "Traceback" not in err


def test_a_signal_before_the_first_frame_ends_it_too(start: Start, photos: Path) -> None:
    with start(*endless(photos)) as process:
        assert process.stderr is not None
        while process.poll() is None:  # from the moment its watcher is there
            status = Path(f"/proc/{process.pid}/status").read_text()
            caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status)[1], 16)  # type: ignore[index]
            if caught & 1 << signal.SIGTERM - 1:
                break
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert "Traceback" not in err


def test_sigusr1_shows_what_every_thread_is_doing(start: Start, photos: Path) -> None:
    with start(*endless(photos)) as process:
        assert read_line(process) == "cyan\n"
        process.send_signal(signal.SIGUSR1)
        assert read_line(process) == "magenta\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=10)
    assert process.returncode == 0
    assert 'signals.py", line' in err
    assert 'playback.py", line' in err


def test_a_reader_that_goes_away_ends_it(start: Start, photos: Path) -> None:
    with start(*endless(photos)) as process:
        assert read_line(process) == "cyan\n"
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(timeout=10) == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("error@25", "failed before frame 25"),
        ("disappear@25", "disappeared"),
        ("stall@25", "no frame within 0.2 s"),
    ],
)
def test_a_camera_that_fails_ends_it_with_75(program: Program, fault: str, message: str) -> None:
    done = program(
        *("run", "--model", MODEL, "--camera", "emulated", "--no-speech", "--fast"),
        *(
            "--set",
            f"camera.faults=['{fault}']",
            "--set",
            "camera.timeout_s=0.2",
            "--set",
            "camera.recovery_s=0",
        ),
    )
    assert done.returncode == 75
    last = done.stderr.splitlines()[-1]
    assert last.startswith("pi-classifier: error: ")
    assert message in last


def test_debug_logs_every_frame(program: Program, photos: Path) -> None:
    done = program(*watching(photos, "--fast", "--frames", 5, "--debug"))
    assert re.search(r"frame 4: cyan [01]\.\d\d by stage 0 in \d+\.\d ms", done.stderr)


def test_the_configuration_of_the_home_is_used(
    program: Program, photos: Path, tmp_path: Path
) -> None:
    file = tmp_path / "home/.config/pi-classifier/config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(
        f"[camera]\nsource = 'replay:{photos}'\nrealtime = false\n"
        f"[model]\npath = '{MODEL}'\n[speech]\nenabled = false\n[decision]\npatience = 1\n"
    )
    done = program("run", "--json")
    assert [each["sequence"] for each in objects(done.stdout)] == [0, 10, 20, 30, 40, 50]


UNREAD = (
    *("run", "--model", MODEL, "--camera", "emulated", "--fast", "--frames", 2000),
    *("--set", "camera.width=96", "--set", "camera.height=96"),  # soon drawn
    *("--debug", "--summary", "--no-speech", "--json"),
)


def test_a_stderr_that_nobody_reads_stops_neither_frames_nor_the_exit(start: Start) -> None:
    with start(*UNREAD) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)  # about fifty frames
        decisions = objects(process.stdout.read())
        assert process.wait(timeout=60) == 0
    assert decisions[-1]["sequence"] > 1500


def test_what_is_missing_from_the_log_is_told_when_somebody_reads_again(start: Start) -> None:
    with start(*UNREAD) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
        while json.loads(process.stdout.readline())["sequence"] < 1500:
            pass
        fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 1 << 20)  # room for all that waits
        log = process.communicate(timeout=60)[1].splitlines()
    lost = [re.search(r"WARNING (\d+) log messages are missing here", line) for line in log]
    frames = [line for line in log if re.search(r"DEBUG   frame \d+:", line)]
    missing = sum(int(found[1]) for found in lost if found)
    assert missing > 0
    assert 2000 - missing <= len(frames) < 2000
    assert log[-3].startswith("2000 frames, ")
    assert log[-1] == f"log: {missing} dropped"


def test_several_cameras_are_told_apart(program: Program, photos: Path, tmp_path: Path) -> None:
    config = tmp_path / "several.toml"
    table = '[[cameras]]\nname = "{}"\nsource = "replay:{}"\n'
    config.write_text("".join(table.format(name, photos) for name in ("garden", "pond")))
    words = ("--model", MODEL, "--config", config, "--fast", "--no-speech")
    done = program("run", *words)
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    for name in ("garden", "pond"):
        own = [line for line in lines if line.startswith(f"{name}: ")]
        assert own == [f"{name}: {label}" for label in ("cyan", "magenta", "yellow")]
        assert f"{name}: 60 frames" in done.stderr
    assert (
        program("run", *words, "--camera", "pond").stdout
        == "pond: cyan\npond: magenta\npond: yellow\n"
    )
    record = program("record", "--config", config, tmp_path / "kept")
    assert record.returncode == 78
    assert "choose it with --camera NAME" in record.stderr
