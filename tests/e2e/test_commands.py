"""The other commands from the outside: classify, models, config, cameras, say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pi_classifier_training.modelfile.writer import with_manifest_entries

from pi_classifier import __version__

Program = Callable[..., "subprocess.CompletedProcess[str]"]

DATA = Path(__file__).parents[1] / "data"
MODEL = DATA / "int8.tflite"


def test_version(program: Program) -> None:
    done = program("--version")
    assert (done.returncode, done.stdout) == (0, f"pi-classifier {__version__}\n")


def test_classify_prints_labels_scores_and_time(program: Program, photos: Path) -> None:
    images = [photos / "0-first-cyan.png", photos / "2-first-yellow.png"]
    done = program("classify", "--model", MODEL, "--top-k", 2, *images)
    assert done.returncode == 0
    assert done.stderr == ""
    first, second = done.stdout.rstrip().split("\n\n")
    assert first.splitlines()[0] == str(images[0])
    assert re.fullmatch(r"cyan [01]\.\d{4}", first.splitlines()[1])
    assert re.fullmatch(r"\w+ 0\.\d{4}", first.splitlines()[2])
    assert re.fullmatch(r"\d+\.\d ms \(colors-int8\)", first.splitlines()[3])
    assert len(first.splitlines()) == 4
    assert second.splitlines()[1].startswith("yellow ")


def test_classify_json(program: Program, photos: Path) -> None:
    image = photos / "1-first-magenta.png"
    done = program("classify", "--json", "--model", MODEL, image, image)
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    found = json.loads(lines[0])
    assert list(found) == ["image", "model", "categories", "unknown", "stage", "latency_ms"]
    assert found["unknown"] is False
    assert (found["image"], found["model"], found["stage"]) == (str(image), "colors-int8", 0)
    assert found["latency_ms"] > 0
    assert [list(each) for each in found["categories"]] == [["index", "label", "score"]] * 4
    assert found["categories"][0]["label"] == "magenta"
    assert found["categories"][0]["index"] == 2
    scores = [each["score"] for each in found["categories"]]
    assert scores == sorted(scores, reverse=True)
    assert sum(scores) == pytest.approx(1, abs=0.05)


def test_classify_says_of_a_photo_that_it_is_unlike_every_label(
    program: Program, photos: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.tflite"
    entry = {"score": "log-linear", "weights": [0.0] * 4, "floor": 0.001, "threshold": -1.0}
    model.write_bytes(with_manifest_entries(MODEL.read_bytes(), {"unknown": entry}))
    image = photos / "1-first-magenta.png"
    said = program("classify", "--model", model, image).stdout.splitlines()
    assert said[1] == "unknown: unlike everything the model has a label for"
    assert said[2].startswith("magenta ")
    assert json.loads(program("classify", "--json", "--model", model, image).stdout)["unknown"]
    # The service is silent about it, unless it is told not to ask.
    run = ("run", "--model", model, "--camera", f"replay:{photos}", "--fast", "--no-speech")
    assert program(*run).stdout == ""
    switched_off = program(*run, "--set", "model.unknown_rejection=off").stdout
    assert "magenta" in switched_off.splitlines()


def test_labels_in_any_alphabet_on_any_terminal(
    program: Program, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("нет\nбирюзовый\nпурпурный\nжёлтый\n")
    command = (sys.executable, "-m", "pi_classifier", "classify", "--labels", labels)
    done = subprocess.run(
        [*command, "--model", MODEL, "--top-k", "1", photos / "0-first-cyan.png"],
        capture_output=True,
        check=True,
        cwd=DATA.parents[1],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "HOME": str(tmp_path)},
    )
    assert rb"\u0431\u0438\u0440" in done.stdout


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_do_no_harm(photos: Path, tmp_path: Path, closed: str) -> None:
    """Nothing that is opened later takes their place and gets the labels written into it."""
    decisions = tmp_path / "decisions.jsonl"
    command = (sys.executable, "-m", "pi_classifier", "run", "--model", MODEL, "--fast")
    more = ("--no-speech", "--camera", f"replay:{photos}", "--set", f"jsonl.path={decisions}")
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {closed}', "sh", *command, *more],
        capture_output=True,
        text=True,
        check=False,
        cwd=DATA.parents[1],
        env=os.environ | {"HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("" if ">&-" in closed.replace("2>", "") else "cyan\nmagenta\nyellow\n")
    lines = decisions.read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines if "label" in line][::2] == [
        "cyan",
        "magenta",
        "yellow",
    ]
    assert "Traceback" not in done.stderr


def test_several_labels_at_once(program: Program, photos: Path) -> None:
    """Cyan is green and blue, magenta red and blue, yellow red and green."""
    independent = DATA / "independent.tflite"
    several = (
        "--fast",
        "--no-speech",
        "--set",
        "decision.multiple=true",
        "--set",
        "model.top_k=1",
    )
    source = ("--camera", f"replay:{photos}", "--model", independent)
    plain = program("run", *source, *several)
    assert plain.returncode == 0
    lines = plain.stdout.split()
    assert [sorted(lines[i : i + 2]) for i in (0, 2, 4)] == [
        ["blue", "green"],
        ["blue", "red"],
        ["green", "red"],
    ]
    assert re.search(r"I see an? (red|blue) and an? (red|blue) \(1\.00, 1\.00\)", plain.stderr)
    told = program("run", *source, *several, "--json").stdout.splitlines()
    in_force = [sorted(each["label"] for each in json.loads(line)["labels"]) for line in told]
    assert in_force == [["blue", "green"], [], ["blue", "red"], [], ["green", "red"], []]


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        (str(MODEL), "colors-int8 has scores that share 100 %"),
        ("cascade", "is a cascade, which stops at the first model"),
    ],
)
def test_several_labels_need_independent_scores(
    program: Program, tmp_path: Path, model: str, problem: str
) -> None:
    if model == "cascade":
        model = str(tmp_path / "cascade.toml")
        stage = f'[[stage]]\nmodel = "{DATA}/independent.tflite"\n'
        Path(model).write_text(f"{stage}accept = 0.9\n{stage}")
    settings = ("--set", "decision.multiple=true", "--set", f"model.path={model}")
    for done in (
        program("config", "--check", *settings),
        program("run", *settings, "--camera", "emulated", "--no-speech", "--set", "run.frames=1"),
    ):
        assert (done.returncode, done.stdout) == (78, "")
        assert "decision.multiple = true" in done.stderr
        assert problem in done.stderr


def test_labels_of_one_model_are_not_those_of_another(
    program: Program, photos: Path, tmp_path: Path
) -> None:
    """A model named on the command line does not meet the configured one's labels."""
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    mine = tmp_path / "mine.toml"
    mine.write_text(f"[model]\npath = 'other.tflite'\nlabels = '{labels}'\n")
    image = photos / "0-first-cyan.png"
    done = program("classify", "--config", mine, "--model", MODEL, image)
    assert done.returncode == 0
    assert "\ncyan " in done.stdout


def test_labels_can_be_named(program: Program, photos: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("0 nichts\n1 türkis\n2 lila\n3 gelb\n")
    image = photos / "0-first-cyan.png"
    done = program("classify", "--model", DATA / "bare.tflite", "--labels", labels, image)
    assert done.returncode == 0, done.stderr
    assert "\ntürkis " in done.stdout


def test_models_tells_what_is_in_a_file(program: Program) -> None:
    done = program("models", MODEL)
    assert done.returncode == 0
    assert done.stdout.startswith("colors-int8: Tells patches of cyan, magenta and yellow")
    for words in (
        f"file      {MODEL}, {MODEL.stat().st_size / 1000:.0f} kB",
        "input     16 x 16 RGB int8, crop",
        "labels    4: background (silent), cyan, magenta, yellow (from labels.txt in the model",
        "training  data synthetic color patches, n 2000",
        "accuracy  100.0% top-1 on 500 photos, test split",
        "self-test 4 pictures replayed at load",
    ):
        assert f"  {words}" in done.stdout


def test_models_json(program: Program) -> None:
    found = json.loads(program("models", "--json", MODEL).stdout)
    assert found["path"] == str(MODEL)
    (stage,) = found["stages"]
    assert stage["labels"] == ["background", "cyan", "magenta", "yellow"]
    assert stage["silent_labels"] == ["background"]
    assert stage["input"] == {
        "size": [16, 16],
        "resize": "crop",
        "dtype": "int8",
        "channels": "RGB",
        "channels_first": False,
        "normalization": {"mean": [0.0], "std": [1.0]},
    }
    assert stage["evaluation"]["top1"] == 1.0
    assert len(stage["sha256"]) == 64


def test_a_model_without_normalization_is_described(program: Program, tmp_path: Path) -> None:
    """Running it needs one; telling what it is, and what it would say, does not."""
    finished = (DATA / "float32.tflite").read_bytes()
    path = tmp_path / "bare.tflite"
    archive = finished.index(b"PK\x03\x04")
    path.write_bytes(finished[:archive].replace(b"TFLITE_METADATA", b"TFLITE_METADATB"))
    (tmp_path / "labels.txt").write_text("nothing\ncyan\nmagenta\nyellow\n")
    described = program("models", path)
    assert described.returncode == 0
    assert "  input     16 x 16 RGB float32, crop\n" in described.stdout
    assert "normalization is not in the file: state model.mean and model.std" in described.stdout
    (stage,) = json.loads(program("models", "--json", path).stdout)["stages"]
    assert stage["input"]["normalization"] is None
    checked = program("config", "--check", "--set", f"model.path={path}")
    assert checked.returncode == 78
    assert "state what it was trained with as mean and std" in checked.stderr


def test_models_of_a_cascade(program: Program, tmp_path: Path) -> None:
    for name in ("int8", "float32"):
        (tmp_path / f"{name}.tflite").write_bytes((DATA / f"{name}.tflite").read_bytes())
    cascade = tmp_path / "cascade.toml"
    cascade.write_text(
        "[[stage]]\nmodel = 'int8.tflite'\naccept = 0.75\n[[stage]]\nmodel = 'float32.tflite'\n"
    )
    done = program("models", cascade)
    assert done.stdout.startswith(f"{cascade}: a cascade of 2\ncolors-int8: ")
    assert "  accept    answers from a score of 0.75, else the next stage is asked" in done.stdout
    stages = json.loads(program("models", "--json", cascade).stdout)["stages"]
    assert [each["model"] for each in stages] == ["colors-int8", "colors-float32"]


def test_models_of_a_file_that_is_none(program: Program, tmp_path: Path) -> None:
    done = program("models", tmp_path / "missing.tflite")
    assert done.returncode == 78
    assert done.stderr.startswith("pi-classifier: error: model ")


def test_config_shows_where_values_come_from_and_reads_back(
    program: Program, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[camera]\nfps = 5\n[speech.phrases]\ndaisy = 'Look, a daisy'\n")
    first = program("config", "--config", mine, "--set", "decision.patience=7")
    assert (first.returncode, first.stderr) == (0, "")
    assert f"\nfps = 5.0  # {mine}\n" in first.stdout
    assert "\npatience = 7  # --set\n" in first.stdout
    assert "\nheight = 480  # default\n" in first.stdout
    saved = tmp_path / "saved.toml"
    saved.write_text(first.stdout)
    second = program("config", "--config", saved)
    assert without_sources(second.stdout) == without_sources(first.stdout)


@pytest.mark.parametrize(
    "wrong", ["phrase=I see {lable}", "quiet_hours=25:00-7", "output=nosuchplayer"]
)
def test_what_is_wrong_with_speech_is_said_before_it_is_started(
    program: Program, wrong: str
) -> None:
    check = ("config", "--check", "--no-camera", "--set", "camera.source=emulated")
    refused = program(*check, "--set", f"speech.{wrong}")
    assert (refused.returncode, refused.stdout) == (78, "")
    assert f"speech.{wrong.partition('=')[0]} = " in refused.stderr


def without_sources(text: str) -> list[str]:
    return [line.rpartition("  # ")[0] or line for line in text.splitlines()]


def test_what_is_wrong_with_a_region_is_said_before_it_is_started(
    program: Program, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text("[[regions]]\nname = 'feeder'\nlabels = ['unicorn']\n")
    check = ("config", "--check", "--no-camera", "--set", "camera.source=emulated")
    refused = program(*check, "--config", mine)
    assert (refused.returncode, refused.stdout) == (78, "")
    assert "[[regions]] feeder: labels names 'unicorn'" in refused.stderr


def test_a_configuration_is_checked_with_its_model(program: Program, tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(f"[model]\npath = '{MODEL}'\n[camera]\nsource = 'emulated'\n")
    good = program("config", "--check", "--config", mine)
    assert (good.returncode, good.stderr) == (0, "")
    told = "The configuration is good: colors-int8 knows 4 labels; camera: emulated"
    assert good.stdout == f"{told}, which can be opened.\n"
    assert program("config", "--check", "--no-camera", "--config", mine).stdout == f"{told}.\n"


def test_a_camera_that_cannot_be_opened_is_said_by_the_check(program: Program) -> None:
    camera = ("--set", f"model.path={MODEL}", "--set", "camera.source=rtsp://me:pw@127.0.0.1:9/x")
    done = program("config", "--check", *camera)
    assert (done.returncode, done.stdout) == (75, "")
    assert "error: camera rtsp://***@127.0.0.1:9/x: connection refused" in done.stderr
    assert program("config", "--check", "--no-camera", *camera).returncode == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[camera]\nfsp = 3", "camera.fsp"),
        ("[model]\npath = 'missing.tflite'", "missing.tflite"),
        (f"[model]\npath = '{MODEL}'\n[camera]\nsource = 'emulatd'", "emulatd"),
    ],
)
def test_what_a_start_would_refuse_the_check_refuses(
    program: Program, tmp_path: Path, text: str, problem: str
) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    done = program("config", "--check", "--config", mine)
    assert (done.returncode, done.stdout) == (78, "")
    assert problem in done.stderr


def test_the_reference_page_is_printed(program: Program) -> None:
    assert program("config", "--reference").stdout.startswith("# Configuration\n")


def test_cameras(program: Program) -> None:
    done = program("cameras")
    assert done.returncode == 0
    assert re.search(r"^emulated +\S", done.stdout, re.MULTILINE)
    assert re.search(r"^replay:FOLDER +\S", done.stdout, re.MULTILINE)
    listed = [json.loads(line) for line in program("cameras", "--json").stdout.splitlines()]
    assert {each["select"] for each in listed} >= {"emulated", "replay:FOLDER"}
    assert [each["select"] for each in listed if each["chosen"]] == ["pi"]
    assert "chosen: pi (nothing else is configured)" in done.stdout


@pytest.mark.parametrize("name", ["seen.png", "seen.jpg"])
def test_a_snapshot_and_what_it_shows(
    program: Program, photos: Path, tmp_path: Path, name: str
) -> None:
    source = ("--camera", f"replay:{photos}", "--model", MODEL)
    done = program("cameras", *source, "--snapshot", tmp_path / name)
    assert done.stdout.startswith(f"{tmp_path / name}: 64x48; colors-int8 says cyan ")
    again = program("classify", "--model", MODEL, tmp_path / name)
    assert "\ncyan " in again.stdout
    told = program("cameras", *source, "--snapshot", tmp_path / name, "--json")
    assert json.loads(told.stdout)["categories"][0]["label"] == "cyan"
    assert {path.name for path in tmp_path.iterdir()} == {name, "photos", "home"}


def test_a_snapshot_says_what_is_wrong(program: Program, tmp_path: Path) -> None:
    done = program("cameras", "--camera", "emulated", "--snapshot", tmp_path / "seen.gif")
    assert done.returncode == 78
    assert "seen.gif: expected a name ending in .png, .jpg, .jpeg" in done.stderr
    done = program("cameras", "--camera", "webcam:77", "--snapshot", tmp_path / "seen.png")
    assert done.returncode == 75
    assert "webcam /dev/video77: there is no such device" in done.stderr


def test_say_into_a_file(program: Program, tmp_path: Path) -> None:
    wav = tmp_path / "hello.wav"
    done = program("say", "--set", f"speech.output=wav:{wav}", "hello", "there")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"said 'hello there' through wav:{wav}\n"
    assert wav.read_bytes()[:4] == b"RIFF"


def test_every_command_explains_itself(program: Program) -> None:
    top = program("--help")
    for command in ("run", "classify", "config", "cameras", "record", "preview", "say", "models"):
        assert f"\n    {command} " in top.stdout
        done = program(command, "--help")
        assert done.returncode == 0
        assert done.stdout.startswith(f"usage: pi-classifier {command} ")


def test_the_configuration_is_shown_without_passwords(program: Program) -> None:
    camera = ("--set", "camera.source=rtsp://robin:s3cret@host/x?token=t0ken")
    shown = program("config", *camera).stdout
    assert 'source = "rtsp://***@host/x?***"' in shown
    assert "robin" not in shown
    assert (
        'source = "rtsp://robin:s3cret@host/x?token=t0ken"'
        in program("config", "--show-secrets", *camera).stdout
    )
    misspelled = program("config", "--set", "camera.sorce=rtsp://robin:s3cret@host").stderr
    assert "s3cret" not in misspelled
    assert "Did you mean 'source'?" in misspelled
