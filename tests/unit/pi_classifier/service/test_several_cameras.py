"""One service with several cameras: decisions as of each alone, status, reload of some of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pi_classifier.cameras import CameraSettings
from pi_classifier.config.settings import RunSettings, Settings
from pi_classifier.errors import CameraUnavailable
from pi_classifier.gate import GateSettings
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.service.build import build
from pi_classifier.service.liveness import Liveness
from pi_classifier.service.notifier import ServiceNotifier
from pi_classifier.service.per_camera import SmootherPerCamera
from pi_classifier.service.reload import Reloader
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import Service
from pi_classifier.sinks.jsonl import JsonlSettings
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.types import Category, Decision, Frame, Prediction

DATA = Path(__file__).parents[3] / "data"
SEEN = Prediction((Category(0, "daisy", 0.9),), "fast", 0, 0)


def camera(name: str, **changes: object) -> CameraSettings:
    usual = CameraSettings(source="emulated", name=name, width=32, height=24, realtime=False)
    return replace(usual, **changes)  # type: ignore[arg-type]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        camera=camera("alone"),
        gate=GateSettings(kind="interval", interval_ms=150),
        model=ModelSettings(path=str(DATA / "int8.tflite"), cache_dir=""),
        stdout=StdoutSettings(enabled=False),
        log=LogSettings(enabled=False),
        jsonl=JsonlSettings(path=str(tmp_path / "decisions.jsonl")),
        speech=SpeechSettings(enabled=False),
    )


def decided(settings: Settings) -> list[dict[str, object]]:
    """Run to the end; returns the decisions, without what differs from run to run."""
    path = Path(settings.jsonl.path)
    path.unlink(missing_ok=True)
    with build(settings) as service:
        run(service)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    varying = ("time", "latency_ms")
    return [{k: v for k, v in line.items() if k not in varying} for line in lines]


def shows(folder: Path, *colors: str) -> str:
    """The source of a camera that shows these colors, a second each."""
    folder.mkdir()
    for number, color in enumerate(colors):
        Image.new("RGB", (32, 24), color).save(folder / f"{number}.png")
    return f"replay:{folder}"


def test_each_decides_as_it_does_alone(settings: Settings, tmp_path: Path) -> None:
    garden = camera("garden", source=shows(tmp_path / "1", "cyan", "black", "yellow", "black"))
    pond = camera("pond", source=shows(tmp_path / "2", "yellow", "magenta", "cyan"), fps=5.0)
    together = decided(replace(settings, cameras=(garden, pond)))
    for alone in (garden, pond):
        own = decided(replace(settings, camera=alone))
        assert len(own) >= 3
        assert [line for line in together if line["camera"] == alone.name] == own


def test_a_dead_one_costs_the_others_no_frame(settings: Settings) -> None:
    limited = replace(settings, run=RunSettings(frames=200))
    dead = camera("dead", faults=("disappear@1",), recovery_s=0.0)
    both = replace(limited, cameras=(camera("garden"), dead))
    liveness = Liveness()
    # The dead one gives up once the other one has come to its end.
    with build(both, liveness=liveness) as service, pytest.raises(CameraUnavailable):
        run(service)
    counted = {name: one.counters for name, one in liveness.cameras.items()}
    assert (counted["garden"].frames, counted["garden"].dropped) == (200, 0)
    assert counted["dead"].frames == 1
    assert liveness.cameras["dead"].waiting_for.startswith("Waiting for the camera")
    assert liveness.cameras["garden"].waiting_for == "has ended"


@contextmanager
def running(settings: Settings) -> Iterator[tuple[Service, Callable[[Settings], list[str]]]]:
    """A service whose frames flow on a thread, and how it is reloaded."""
    liveness, told = Liveness(), list[str]()
    notifier = ServiceNotifier(lambda state: told.extend(state.splitlines()), liveness)
    wanted = [settings]
    with build(settings, liveness=liveness) as service:
        frames = threading.Thread(target=run, args=(service,))
        frames.start()
        assert liveness.ready.wait(20)
        reloader = Reloader(service, settings, lambda: wanted[-1], notifier)

        def reload(settings: Settings) -> list[str]:
            wanted.append(settings)
            told.clear()
            reloader.reload()
            return told

        try:
            yield service, reload
        finally:
            reloader.close()
            service.stop()
            frames.join(20)
            assert not frames.is_alive()


def wait_for_frames(service: Service, name: str) -> None:
    counters = service.liveness.cameras[name].counters
    target, waiting = counters.frames + 3, threading.Event()
    for _ in range(4000):
        if counters.frames >= target:
            return
        waiting.wait(0.005)
    pytest.fail(f"no frames pass from {name} any more")


def test_a_reload_changes_those_that_changed(settings: Settings) -> None:
    garden, pond = camera("garden", seed=1), camera("pond", seed=2)
    with running(replace(settings, cameras=(garden, pond))) as (service, reload):
        wait_for_frames(service, "pond")
        wait_for_frames(service, "garden")
        before = service.liveness.cameras
        assert [one.waiting_for for one in before.values()] == ["", ""]  # no more opened
        changed = replace(pond, fps=5.0)
        assert reload(replace(settings, cameras=(garden, changed)))[-1] == "READY=1"
        assert service.liveness.cameras["garden"] is before["garden"]
        assert service.liveness.cameras["pond"] is not before["pond"]
        wait_for_frames(service, "pond")
        wait_for_frames(service, "garden")


def test_a_reload_lets_one_go_and_takes_another_in(settings: Settings) -> None:
    garden, pond, gate = camera("garden", seed=1), camera("pond", seed=2), camera("gate", seed=3)
    with running(replace(settings, cameras=(garden, pond))) as (service, reload):
        wait_for_frames(service, "garden")
        announced = service.parts.smoother
        assert reload(replace(settings, cameras=(garden, gate)))[-1] == "READY=1"
        assert list(service.liveness.cameras) == ["garden", "gate"]
        wait_for_frames(service, "gate")
        smoother = service.parts.smoother
        assert isinstance(announced, SmootherPerCamera)
        assert isinstance(smoother, SmootherPerCamera)
        assert smoother.of("pond") is None


@pytest.mark.parametrize(
    ("wrong", "said"), [("emulatd", "no such camera"), ("replay:/missing", "no such folder")]
)
def test_a_reload_with_a_wrong_one_is_refused_whole(
    settings: Settings, wrong: str, said: str
) -> None:
    garden = camera("garden")
    with running(replace(settings, cameras=(garden,))) as (service, reload):
        before = service.parts
        told = reload(replace(settings, cameras=(garden, camera("pond", source=wrong))))
        assert said in told[-1]
        assert service.parts is before
        wait_for_frames(service, "garden")


def test_one_camera_does_not_become_several_while_it_runs(settings: Settings) -> None:
    several = replace(settings, cameras=(camera("garden"), camera("pond")))
    with running(settings) as (service, reload):
        before = service.parts
        assert "sudo systemctl restart pi-classifier" in reload(several)[-1]
        assert service.parts is before
    with running(several) as (service, reload):
        assert "no [[cameras]] are left" in reload(settings)[-1]


class Clock:
    time_s = 100.0

    def __call__(self) -> float:
        return self.time_s


def frame(name: str, number: int) -> Frame:
    return Frame(np.zeros((1, 1, 3), np.uint8), number, number, camera=name)


def watched(*names: str) -> tuple[Liveness, Clock, ServiceNotifier, list[str]]:
    clock, told = Clock(), list[str]()
    liveness = Liveness(clock)
    liveness.cameras = {name: liveness.of_camera() for name in names}
    notifier = ServiceNotifier(lambda state: told.extend(state.splitlines()), liveness, 8.0)
    return liveness, clock, notifier, told


def test_the_status_is_that_of_each() -> None:
    liveness, clock, notifier, told = watched("garden", "pond")
    for number in range(20):
        liveness.progress(frame("garden", number), SEEN)
    liveness.decided(Decision("daisy", 0.93, 19, 19, 0, "fast", camera="garden"))
    liveness.cameras["pond"].waiting("Waiting for the camera (try 2, 3 s): gone", 10.0)
    notifier.tick()
    clock.time_s += 2
    for number in range(20, 40):
        liveness.progress(frame("garden", number), SEEN)
    notifier.tick()
    assert told[-1] == (
        "STATUS=garden: I see a daisy (0.93); pond: Waiting for the camera (try 2, 3 s): gone · "
        "20.0 frames/s by garden · 100 % by the first stage"
    )


def test_the_frame_rate_begins_anew_with_a_camera_that_a_reload_replaced() -> None:
    liveness, clock, notifier, told = watched("garden")
    for number in range(20):
        liveness.progress(frame("garden", number), SEEN)
    notifier.tick()
    liveness.cameras = {"garden": liveness.of_camera()}
    liveness.progress(frame("garden", 0), SEEN)
    for expected in ("", " · 0.5 frames/s by garden"):
        clock.time_s += 2
        notifier.tick()
        status = [line for line in told if line.startswith("STATUS")][-1]
        assert (
            status == f"STATUS=garden: I see nothing I know{expected} · 100 % by the first stage"
        )


def test_frames_of_any_keep_the_service_alive(caplog: pytest.LogCaptureFixture) -> None:
    liveness, clock, notifier, told = watched("garden", "pond")
    for number in range(8):
        liveness.progress(frame("garden", number), SEEN)
        liveness.progress(frame("pond", 0), SEEN) if number == 0 else None
        clock.time_s += 2
        told.clear()
        notifier.tick()
        assert "WATCHDOG=1" in told
    stuck = [message for message in caplog.messages if "no frame for" in message]
    assert stuck == [
        "pond: no frame for 4 s, and nothing is known to be waited for; the other cameras go on"
    ]


def test_one_that_is_waited_for_does_not_hide_one_that_hangs() -> None:
    liveness, clock, notifier, told = watched("garden", "pond")
    liveness.progress(frame("garden", 0), SEEN)
    for _ in range(8):
        liveness.cameras["pond"].waiting("Waiting for the camera", 20.0)
        clock.time_s += 2
        told.clear()
        notifier.tick()
    assert "WATCHDOG=1" not in told
    liveness.cameras["garden"].ended()
    notifier.tick()
    assert "WATCHDOG=1" in told
