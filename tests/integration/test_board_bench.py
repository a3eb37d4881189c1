"""`bench` with a real runtime and the emulated camera, for a moment."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.cli import main
from pi_classifier.config.settings import Settings
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.measuring.board_bench import bench

DATA = Path(__file__).resolve().parents[1] / "data"
FAST = (*("--seconds", "0.5", "--camera", "emulated"), *("--set", "camera.width=64"))
SMALL = (*FAST, "--set", "camera.height=64", "--set", "camera.fps=60", "--set")


@pytest.fixture
def cascade(tmp_path: Path) -> Path:
    file = tmp_path / "cascade.toml"
    stages = "".join(
        f'[[stage]]\nmodel = "{DATA / name}.tflite"\naccept = 1.0\n' for name in ("int8", "uint8")
    )
    file.write_text(f'schema_version = 1\nname = "two"\n{stages}')
    return file


def test_every_step_is_measured_and_nothing_of_the_user_s_is_touched(
    cascade: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    decisions = tmp_path / "decisions.jsonl"
    given = ["--model", str(cascade), "--json", *SMALL, f"jsonl.path={decisions}"]
    assert main(["bench", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert not decisions.exists()
    assert [step for step in found["steps_ms"] if step != "sinks"] == [
        *("capture", "gate"),
        *("colors-int8: preprocess", "colors-int8: network"),
        *("colors-uint8: preprocess", "colors-uint8: network"),
        *("classify", "decision", "frame"),
    ]
    assert found["steps_ms"]["classify"]["n"] == found["frames"] > 10
    assert found["steps_ms"]["colors-uint8: network"]["n"] == found["frames"]
    assert found["sustained_fps"] > 60
    assert 0 < found["start_s"]["model and camera open"] < found["start_s"]["first label"]
    chosen = {Path(one["model"]).stem for one in found["variants"]}
    assert chosen == {"cascade", "int8", "uint8"}
    assert found["memory_mb"]["resident"] > 10
    assert found["recommendation"]["text"].startswith("Recommendation: ")


def test_two_benches_are_put_side_by_side(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["bench", "--model", str(DATA / "int8.tflite"), *SMALL, "gate.kind=always"]
    assert main([*given, "--json"]) == 0
    other = json.loads(capsys.readouterr().out)
    other["memory_mb"]["resident"] = 1.0
    other["jitter_ms"], other["sustained_fps"] = 10**400, float("nan")
    file = tmp_path / "other.json"
    file.write_text(json.dumps(other))
    assert main([*given, "--compare", str(file)]) == 0
    text = capsys.readouterr().out
    last = text.partition("beside ")[2].splitlines()
    (row,) = [line.split() for line in last if line.startswith("memory, MB")]
    assert float(row[-2]) == 1.0
    assert float(row[-1]) == pytest.approx(float(row[-3]), abs=0.01)
    assert any(line.startswith("colors-int8: preprocess, p99, ms ") for line in last)
    assert not any(line.startswith(("jitter", "sustained")) for line in last)
    assert text.partition("Recommendation:")[0].count("capture") == 1


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', '{"steps_ms": [], "memory_mb": {}}'])
def test_a_file_of_something_else_is_refused_before_anything_is_measured(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    assert main(["bench", "--camera", "emulated", "--compare", str(file)]) == 78
    assert f"--compare {file}: is not what" in capsys.readouterr().err
    assert main(["bench", "--camera", "emulated", "--compare", str(tmp_path / "no.json")]) == 78
    assert "no.json: no such file; make it" in capsys.readouterr().err


def test_whoever_stops_it_does_not_wait_for_the_rest() -> None:
    settings = Settings(
        camera=CameraSettings(source="emulated", width=64, height=64, fps=60.0),
        model=ModelSettings(path=str(DATA / "int8.tflite")),
    )
    asked: list[Callable[[], None]] = []

    def stopped() -> bool:
        return bool(asked)

    with pytest.raises(KeyboardInterrupt):
        bench(settings, 0.5, asked.append, stopped)
    assert len(asked) == 1


def test_the_steps_of_models_behind_tiles_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--model", str(DATA / "int8.tflite"), "--json", *SMALL, "tiles.sizes=[0.5]"]
    assert main(["bench", *given]) == 0
    steps = json.loads(capsys.readouterr().out)["steps_ms"]
    assert steps["colors-int8: network"]["n"] > steps["classify"]["n"]
