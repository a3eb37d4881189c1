"""The benchmarks from the outside: every figure is there and finite. No timing is judged."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.errors import BenchmarkError
from benchmarks.peers import Peer, started

REPOSITORY = Path(__file__).parents[2]
DATA = REPOSITORY / "tests/data"
FEWEST = ("--frames", "3", "--rounds", "2", "--starts", "1", "--runs", "1", "--settle", "0")

FRAME_PEERS = {
    "bare invoke", "bare set, invoke, get", "bare with Pillow resize", "one copy of the frame",
}  # fmt: skip


def bench(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *(str(each) for each in arguments)],
        check=False,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def cyan(tmp_path: Path) -> Path:
    path = tmp_path / "cyan.png"
    Image.fromarray(np.full((48, 64, 3), (0, 200, 200), np.uint8)).save(path)
    return path


@pytest.fixture
def cascade(tmp_path: Path) -> Path:
    path = tmp_path / "cascade.toml"
    path.write_text(
        f'name = "colors"\n'
        f'[[stage]]\nmodel = "{DATA / "int8.tflite"}"\naccept = 1.0\n'
        f'[[stage]]\nmodel = "{DATA / "float32.tflite"}"\n'
    )
    return path


def figures(content: dict[str, Any], section: str, subject: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = content["figures"]
    return [each for each in found if (each["section"], each["subject"]) == (section, subject)]


def finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value) and value > 0


def test_every_figure_stands_beside_its_peer_and_aim(
    cyan: Path, cascade: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    measured = (DATA / "uint8.tflite", cascade, "--photo", cyan)
    done = bench("daemon", *measured, "--json", report, *FEWEST)
    assert done.returncode == 0, done.stderr
    content = json.loads(report.read_text("utf-8"))
    assert content["options"]["rounds"] == 2
    for subject in ("colors-uint8", "cascade colors"):
        assert subject in done.stdout
        times = figures(content, "Time per frame", subject)
        assert {each["peer"] for each in times} == FRAME_PEERS
        assert all(finite(each["ours"]) and finite(each["ratio"]) for each in times)
        aims = {each["name"]: each["aim"]["limit"] for each in times if each["aim"]}
        assert aims == {"640×480": 1.5, "640×480, beyond": 8, "16×16, as the model": 1.15}
        starts = figures(content, "Start to first label", subject)
        assert [each["name"] for each in starts] == ["start", "start", "very first start"]
        assert all(finite(each["ours"]) and finite(each["peers"]) for each in starts)
        assert all(
            each["ours"] > each["peers"] for each in starts if each["peer"] == "Python alone"
        )
        resident, anonymous, model, weights, shared = figures(content, "Memory", subject)
        assert resident["aim"] == {"limit": 75.0, "of": "ours"}
        for side in ("ours", "peers"):
            assert 10 < anonymous[side] < resident[side]
            assert 0 <= model[side] < 1
        assert 0 <= weights["ours"] < 1
        assert weights["peers"] == 0
        assert 0 < shared["ours"] < shared["peers"] < 1
    for figure in content["figures"]:
        if figure["aim"] is not None:
            value = figure[figure["aim"]["of"]]
            assert figure["reached"] is (value <= figure["aim"]["limit"])
    aimed = sum(figure["aim"] is not None for figure in content["figures"])
    assert sum("reached" in line for line in done.stdout.splitlines()) == aimed


def test_imports_are_listed_by_package(cyan: Path) -> None:
    done = bench(DATA / "int8.tflite", "--photo", cyan, "--only", "imports", *FEWEST)
    assert done.returncode == 0, done.stderr
    table = done.stdout.partition("\nImports\n")[2].splitlines()
    milliseconds = {
        line.split()[0]: float(line.split()[1]) for line in table if line.endswith(" ms")
    }
    assert {"all", "numpy", "pi_classifier"} <= set(milliseconds)
    assert milliseconds["all"] > milliseconds["numpy"] > 0


def test_a_model_that_sees_nothing_to_announce_is_explained(tmp_path: Path) -> None:
    gray = tmp_path / "gray.png"
    Image.fromarray(np.full((48, 64, 3), 90, np.uint8)).save(gray)
    done = bench(DATA / "int8.tflite", "--photo", gray, "--only", "start", *FEWEST)
    assert done.returncode == 1
    assert "colors-int8: sees nothing to announce" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_missing_model_is_one_line() -> None:
    done = bench("daemon", "no/such.tflite")
    assert done.returncode == 1
    assert done.stderr.startswith("bench: error: model no/such.tflite: no such file")
    assert len(done.stderr.splitlines()) == 1


def test_the_log_is_measured_with_a_reader_in_the_journals_place(tmp_path: Path) -> None:
    few = ("--times", "20", "--calls", "1000", "--frames", "100", "--rounds", "1")
    done = bench("log", *few, "--json", tmp_path / "log.json")
    if "needs a /run of its own" in done.stderr:
        pytest.skip("SKIPPED: needs a mount namespace of its own; run as root")
    assert done.returncode == 0, done.stderr
    figures = {
        each["name"]: each["ours"]
        for each in json.loads((tmp_path / "log.json").read_text())["figures"]
    }
    assert all(math.isfinite(value) and value > 0 for value in figures.values())
    assert figures["entries"] == 6


def test_several_cameras_stand_beside_one(tmp_path: Path) -> None:
    few = ("--frames", "2", "--runs", "1", "--most", "2", "--only", "photos")
    done = bench("cameras", DATA / "int8.tflite", *few, "--json", tmp_path / "cameras.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "cameras.json").read_text())["figures"]
    assert all(math.isfinite(figure["ours"]) for figure in found)
    beside = {figure["subject"] for figure in found if figure["peer"] == "one alone"}
    assert beside == {"2 photos", "1 photos and 1 dead"}


def test_the_soak_compares_what_is_held_early_and_late(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = bench("soak", "--frames", 2000, "--json", report)
    assert done.returncode == 0, done.stderr
    content = json.loads(report.read_text("utf-8"))
    held = {each["name"]: each for each in figures(content, "Soak", "2,000 frames, gate always")}
    assert set(held) == {"frame", "anonymous", "descriptors", "threads"}
    assert all(finite(each["ours"]) and finite(each["ratio"]) for each in held.values())
    assert held["descriptors"]["ratio"] == held["threads"]["ratio"] == 1


def test_the_motion_gate_misses_no_flower_of_a_drawn_place(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = bench("gate", "--views", 1, "--first", 1, "--json", report)
    assert done.returncode == 0, done.stderr
    told = {each["name"]: each["ours"] for each in json.loads(report.read_text())["figures"]}
    assert told["missed"] == told["to the first frame, most"] == 0
    assert 0 < told["classified"] < 15
    assert finite(told["of a core at 10 frames/s"])


def test_growth_stands_beside_proportion(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = bench("growth", "--rounds", 1, "--seconds", 0.1, "--json", report)
    assert done.returncode == 0, done.stderr
    told = json.loads(report.read_text())["figures"]
    sizes: dict[str, list[str]] = {}
    for each in told:
        sizes.setdefault(each["section"], []).append(each["name"])
        assert finite(each["ours"])
        assert finite(each["peers"])
    assert sizes["Labels"] == ["5", "1,000", "10,000"]
    assert sizes["Frames a second"] == ["1", "5", "10", "30", "60"]
    assert set(sizes) == {"Labels", "Side of the network", "Threads", "Frames a second"}
    sides = [each for each in told if each["section"] == "Side of the network"]
    assert sides[-1]["peers"] == pytest.approx(sides[0]["ours"] * (320 / 96) ** 2)


def test_peers_see_the_same_pictures_and_say_the_same(tmp_path: Path) -> None:
    few = ("--frames", "3", "--rounds", "2", "--starts", "1")
    model = DATA / "float32.tflite"
    done = bench("peers", model, *few, "--json", tmp_path / "peers.json")
    assert done.returncode == 0, done.stderr
    rows = {row["peer"]: row for row in json.loads((tmp_path / "peers.json").read_text())["rows"]}
    assert list(rows) == [
        "ours",
        "LiteRT, plain loop",
        "tflite-runtime, plain loop",
        "MediaPipe ImageClassifier",
        "OpenCV DNN",
    ]
    measured = [row for row in rows.values() if not row["problem"]]
    told = [row["problem"] for row in rows.values() if row["problem"]]
    assert len(measured) >= 2
    assert all(problem.startswith("not installed: there is no .venv") for problem in told), told
    for row in measured:
        assert row["agree"] == 1, row
        assert 0 < row["ms"] == pytest.approx(1000 / row["fps"])
        assert row["start_s"] > 0.05
        assert 10 < row["anonymous_mb"] < row["resident_mb"]
    assert rows["ours"]["times_ours"] == 1


def test_a_peer_that_cannot_run_the_model_says_why(tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros((1, 8, 8, 3), np.uint8))
    given = {"pictures": str(tmp_path / "none.npy")}
    for python, words in (
        (Path(sys.executable), r"cannot run it: KeyError: 'of nobody'"),
        (REPOSITORY / ".venv-of-nobody/bin/python", r"not installed: there is no .venv-of-nobody"),
    ):
        peer = Peer("of nobody", "of nobody", python)
        with pytest.raises(BenchmarkError, match=words), started(peer, given):
            pass
