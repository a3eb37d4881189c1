"""A running service changed between two frames: what is kept, what is replaced, what errs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pi_classifier.cameras import CameraSettings
from pi_classifier.cameras.recovery import RecoveringCamera
from pi_classifier.cameras.regions import RegionSettings
from pi_classifier.config.settings import Settings
from pi_classifier.decision import Smoother, SmootherSettings
from pi_classifier.errors import ConfigError, InferenceError
from pi_classifier.inference import verifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.tiles import TilesSettings
from pi_classifier.service import build as build_module
from pi_classifier.service.build import build
from pi_classifier.service.liveness import Liveness
from pi_classifier.service.notifier import ServiceNotifier
from pi_classifier.service.reload import Reloader
from pi_classifier.service.run_loop import run
from pi_classifier.service.service import Service
from pi_classifier.sinks.jsonl import JsonlSettings
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings
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
    liveness, told = Liveness(), list[str]()
    notifier = ServiceNotifier(lambda state: told.extend(state.splitlines()), liveness)
    with build(settings, liveness=liveness) as service:
        frames = threading.Thread(target=run, args=(service,))
        frames.start()
        assert liveness.ready.wait(20)
        wanted: list[Settings] = []
        reloader = Reloader(service, settings, lambda: wanted[-1], notifier)
        try:
            yield Running(service, settings, told, reloader, wanted)
        finally:
            reloader.close()
            service.stop()
            frames.join(20)
            assert not frames.is_alive()


def frames_pass(service: Service, count: int = 3) -> None:
    """Wait until so many more frames have passed."""
    counters = service.liveness.counters
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
    with running(settings) as live:
        before = live.service.parts
        told = live.reload(replace(settings, decision=SmootherSettings(patience=9)))
        after = live.service.parts
        assert told[-1] == "READY=1"
        assert after.sinks == before.sinks
        assert after.smoother is not before.smoother
        with pytest.raises(InferenceError, match="closed"):
            before.classifier.classify(next(iter_frames(live)))
        frames_pass(live.service)
        assert live.service.liveness.counters.dropped == 0


def test_silent_labels_of_the_configuration_join_the_models_own(settings: Settings) -> None:
    with running(settings) as live:
        labels = live.service.parts.classifier.labels
        silent = replace(settings, decision=SmootherSettings(silent_labels=(labels[0],)))
        assert live.reload(silent)[-1] == "READY=1"
        smoother = live.service.parts.smoother
        assert isinstance(smoother, Smoother)
        assert smoother._silent == {labels[0], "background"}
        wrong = SmootherSettings(silent_labels=(labels[0].upper(),))
        told = live.reload(replace(settings, decision=wrong))
        assert f"names '{labels[0].upper()}', which" in refusal(told)
        assert f"Did you mean '{labels[0]}'?" in refusal(told)
        assert live.service.parts.smoother is smoother


def test_windows_that_the_frames_are_too_small_for_end_nothing(settings: Settings) -> None:
    with running(settings) as live:
        classifier = live.service.parts.classifier
        told = live.reload(replace(settings, tiles=TilesSettings(sizes=(0.1,))))
        assert "too few for a model" in refusal(told)
        region = RegionSettings("pond", (0.0, 0.0, 0.2, 0.2))
        tiles = TilesSettings(sizes=(1.0,))
        told = live.reload(replace(settings, tiles=tiles, regions=(region,)))
        assert "of a frame of 6 by 5" in refusal(told)
        assert live.service.parts.classifier is classifier
        frames_pass(live.service)


def iter_frames(live: Running) -> Iterator[Frame]:
    from pi_classifier.cameras import open_camera

    return open_camera(live.settings.camera).frames()


def test_what_was_announced_is_not_announced_again(settings: Settings) -> None:
    undecided = replace(settings, decision=SmootherSettings(patience=10**6))
    with running(undecided) as live:
        before = live.service.parts.smoother
        assert isinstance(before, Smoother)
        before._label = "daisy"
        live.reload(replace(settings, decision=SmootherSettings(patience=10**6, refractory_s=1)))
        after = live.service.parts.smoother
        assert after is not before
        assert isinstance(after, Smoother)
        assert after.label == "daisy"


def test_a_sink_is_replaced_when_its_settings_change(settings: Settings, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    with running(settings) as live:
        log, jsonl = live.service.parts.sinks
        live.reload(replace(settings, jsonl=JsonlSettings(path=str(other))))
        assert live.service.parts.sinks[0] is log
        assert live.service.parts.sinks[1] is not jsonl
        live.reload(replace(settings, jsonl=JsonlSettings(path="")))
        assert live.service.parts.sinks == (log,)
        frames_pass(live.service)


def test_another_model_takes_over(settings: Settings) -> None:
    with running(settings) as live:
        live.reload(
            replace(settings, model=replace(settings.model, path=str(DATA / "uint8.tflite")))
        )
        assert live.service.parts.classifier.name == "colors-uint8"
        frames_pass(live.service)


def test_another_camera_goes_on_in_the_same_stream(settings: Settings) -> None:
    with running(settings) as live:
        live.reload(replace(settings, camera=replace(settings.camera, seed=7)))
        frames_pass(live.service)
        assert live.service.liveness.counters.dropped == 0
        assert live.service.liveness.waiting_for == ""


def test_a_camera_gets_its_new_name(settings: Settings) -> None:
    with running(settings) as live:
        live.reload(replace(settings, camera=replace(settings.camera, name="pond")))
        frames_pass(live.service)
        assert isinstance(live.service.camera, RecoveringCamera)
        assert live.service.camera._name == "pond"


def wrong_model(settings: Settings) -> Settings:
    return replace(settings, model=replace(settings.model, path="missing"))


def wrong_camera(settings: Settings) -> Settings:
    return replace(settings, camera=replace(settings.camera, source="emulatd"))


def absent_camera(settings: Settings) -> Settings:
    return replace(settings, camera=replace(settings.camera, source="replay:/missing"))


def several_labels_of_one(settings: Settings) -> Settings:
    return replace(settings, decision=SmootherSettings(multiple=True))


@pytest.mark.parametrize(
    "wrong", [wrong_model, wrong_camera, absent_camera, several_labels_of_one]
)
def test_on_an_error_everything_stays_as_it_was(
    settings: Settings, wrong: Callable[[Settings], Settings]
) -> None:
    with running(settings) as live:
        before = live.service.parts
        said = refusal(live.reload(wrong(settings)))
        assert said.startswith("STATUS=Reload refused, the old configuration stays: ")
        assert live.service.parts is before
        frames_pass(live.service)
        assert live.service.liveness.waiting_for == ""


def test_an_unreadable_configuration_is_refused(settings: Settings) -> None:
    def read() -> Settings:
        raise ConfigError("config.toml: camera.fsp: no such setting")

    with running(settings) as live:
        live.reloader._read = read
        live.reloader.reload()
        assert "camera.fsp" in refusal(live.told[-4:])


def test_a_service_that_waits_for_its_camera_is_not_reloaded_into_limbo(
    settings: Settings,
) -> None:
    """The frame thread takes no change while it waits; a stop meanwhile ends the reload."""
    with running(settings) as live:
        held, release = threading.Event(), threading.Event()
        classifier = live.service.parts.classifier
        classify = classifier.classify

        def hold(frame: Frame) -> Prediction:
            held.set()
            release.wait(20)
            return classify(frame)

        classifier.classify = hold  # type: ignore[method-assign]
        assert held.wait(20)
        before = live.service.parts
        reload = threading.Thread(target=live.reload, args=[settings])
        reload.start()
        live.service.stop()
        reload.join(20)
        assert not reload.is_alive()
        assert "stopped meanwhile" in live.told[-1]
        release.set()
    assert live.service.parts is before


def test_a_model_that_ends_the_runtime_does_not_end_the_service(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    with running(settings) as live:
        before = live.service.parts
        monkeypatch.setattr(verifier, "CHILD", (sys.executable, "-c", killed))
        monkeypatch.setattr(verifier, "_passed_here", {})
        assert "ended the runtime with SIGSEGV" in refusal(live.reload(settings))
        assert live.service.parts is before
        frames_pass(live.service)


def test_what_a_refused_reload_had_opened_is_closed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(build_module, "jsonl_sink", lambda one: opened.append(one.path))
    with running(replace(settings, jsonl=JsonlSettings())) as live:
        unknown = RegionSettings(name="feeder", labels=("unicorn",))
        elsewhere = JsonlSettings(path=str(tmp_path / "elsewhere.jsonl"))
        told = live.reload(replace(settings, regions=(unknown,), jsonl=elsewhere))
        assert "labels names 'unicorn'" in refusal(told)
        assert not opened
