"""A running service changed between two frames: what is kept, what is replaced, what errs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.config.reading import Settings
from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import ConfigError, InferenceError
from pi_classifier.inference.classifier import ModelSettings
from pi_classifier.service.build import Service, build
from pi_classifier.service.liveness import Activity
from pi_classifier.service.notifier import Supervisor
from pi_classifier.service.reload import Reloader
from pi_classifier.service.run_loop import watch
from pi_classifier.sinks.jsonl import JsonlSettings
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.speaker import SpeechSettings
from pi_classifier.types import Frame, Prediction

DATA = Path(__file__).parents[3] / "data"


@dataclass
class Running:
    """A service whose frames flow on a thread, and what its manager was told."""

    service: Service
    settings: Settings
    told: list[str]
    reloader: Reloader
    wanted: list[Settings] = field(default_factory=list)

    def reload(self, settings: Settings) -> list[str]:
        """Reload to these settings; returns what was told of it."""
        self.wanted.append(settings)
        told = len(self.told)
        self.reloader.reload()
        return self.told[told:]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        camera=CameraSettings(source="emulated", fps=50, width=32, height=24, recovery_s=0.0),
        model=ModelSettings(path=str(DATA / "int8.tflite"), cache_dir=""),
        stdout=StdoutSettings(enabled=False),
        log=LogSettings(enabled=True),
        jsonl=JsonlSettings(path=str(tmp_path / "decisions.jsonl")),
        speech=SpeechSettings(enabled=False),
    )


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    activity, told = Activity(), list[str]()
    supervisor = Supervisor(lambda state: told.extend(state.splitlines()), activity)
    with build(settings, activity=activity) as service:
        frames = threading.Thread(target=watch, args=(service,))
        frames.start()
        assert activity.ready.wait(20)
        wanted: list[Settings] = []
        reloader = Reloader(service, settings, lambda: wanted[-1], supervisor)
        try:
            yield Running(service, settings, told, reloader, wanted)
        finally:
            reloader.close()
            service.stop()
            frames.join(20)
            assert not frames.is_alive()


def frames_pass(service: Service, count: int = 3) -> None:
    """Wait until so many more frames have passed."""
    counters = service.activity.counters
    target = counters.frames + count
    waiting = threading.Event()
    for _ in range(2000):
        if counters.frames >= target:
            return
        waiting.wait(0.005)
    pytest.fail("no frames pass any more")


def refusal(told: list[str]) -> str:
    assert told[0] == "RELOADING=1"
    assert told[2] == "READY=1"
    return told[3]


def test_what_did_not_change_is_kept_and_what_did_is_replaced(settings: Settings) -> None:
    with running(settings) as run:
        before = run.service.parts
        told = run.reload(replace(settings, decision=SmootherSettings(patience=9)))
        after = run.service.parts
        assert told[-1] == "READY=1"
        assert after.sinks == before.sinks
        assert after.smoother is not before.smoother
        with pytest.raises(InferenceError, match="closed"):
            before.classifier.classify(next(iter_frames(run)))
        frames_pass(run.service)
        assert run.service.activity.counters.dropped == 0


def iter_frames(run: Running) -> Iterator[Frame]:
    from pi_classifier.cameras import open_camera

    return open_camera(run.settings.camera).frames()


def test_what_was_announced_is_not_announced_again(settings: Settings) -> None:
    with running(settings) as run:
        run.service.parts.smoother._label = "daisy"
        run.reload(replace(settings, decision=SmootherSettings(patience=10**6)))
        assert run.service.parts.smoother.label == "daisy"


def test_a_sink_is_replaced_when_its_settings_change(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    with running(settings) as run:
        log, jsonl = run.service.parts.sinks
        run.reload(replace(settings, jsonl=JsonlSettings(path=str(other))))
        assert run.service.parts.sinks[0] is log
        assert run.service.parts.sinks[1] is not jsonl
        run.reload(replace(settings, jsonl=JsonlSettings(path="")))
        assert run.service.parts.sinks == (log,)
        frames_pass(run.service)


def test_another_model_takes_over(settings: Settings) -> None:
    with running(settings) as run:
        run.reload(
            replace(settings, model=replace(settings.model, path=str(DATA / "uint8.tflite")))
        )
        assert run.service.parts.classifier.name == "colors-uint8"
        frames_pass(run.service)


def test_another_camera_goes_on_in_the_same_stream(settings: Settings) -> None:
    with running(settings) as run:
        run.reload(replace(settings, camera=replace(settings.camera, seed=7)))
        frames_pass(run.service)
        assert run.service.activity.counters.dropped == 0
        assert run.service.activity.doing == ""


def wrong_model(settings: Settings) -> Settings:
    return replace(settings, model=replace(settings.model, path="missing"))


def wrong_camera(settings: Settings) -> Settings:
    return replace(settings, camera=replace(settings.camera, source="emulatd"))


def absent_camera(settings: Settings) -> Settings:
    return replace(settings, camera=replace(settings.camera, source="replay:/missing"))


@pytest.mark.parametrize("wrong", [wrong_model, wrong_camera, absent_camera])
def test_on_an_error_everything_stays_as_it_was(
    settings: Settings, wrong: Callable[[Settings], Settings]
) -> None:
    with running(settings) as run:
        before = run.service.parts
        said = refusal(run.reload(wrong(settings)))
        assert said.startswith("STATUS=Reload refused, the old configuration stays: ")
        assert run.service.parts is before
        frames_pass(run.service)
        assert run.service.activity.doing == ""


def test_an_unreadable_configuration_is_refused(settings: Settings) -> None:
    def read() -> Settings:
        raise ConfigError("config.toml: camera.fsp: no such setting")

    with running(settings) as run:
        run.reloader._read = read
        run.reloader.reload()
        assert "camera.fsp" in refusal(run.told[-4:])


def test_a_service_that_waits_for_its_camera_is_not_reloaded_into_limbo(
    settings: Settings,
) -> None:
    """The frame thread takes no change while it waits; a stop meanwhile ends the reload."""
    with running(settings) as run:
        held, release = threading.Event(), threading.Event()
        classifier = run.service.parts.classifier
        classify = classifier.classify

        def hold(frame: Frame) -> Prediction:
            held.set()
            release.wait(20)
            return classify(frame)

        classifier.classify = hold  # type: ignore[method-assign]
        assert held.wait(20)
        before = run.service.parts
        reload = threading.Thread(target=run.reload, args=[settings])
        reload.start()
        run.service.stop()
        reload.join(20)
        assert not reload.is_alive()
        assert "stopped meanwhile" in run.told[-1]
        release.set()
    assert run.service.parts is before
