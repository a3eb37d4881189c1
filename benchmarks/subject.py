"""What is measured: a model file or a cascade, with all that both sides need of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.errors import BenchmarkError
from pi_classifier.cameras import CameraSettings
from pi_classifier.config.settings import Settings
from pi_classifier.modelfile.cascade_file import read_cascade_file
from pi_classifier.modelfile.locate import find_model
from pi_classifier.modelfile.model_file import ModelFile, read_model_file
from pi_classifier.sinks.log import LogSettings
from pi_classifier.sinks.stdout import StdoutSettings
from pi_classifier.speech.settings import SpeechSettings

SHIPPED = ("flowers/fast", "flowers/accurate", "flowers")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model by its path; `models` are its stages, in order."""

    name: str
    path: Path
    labels: Path | None
    models: tuple[ModelFile, ...]

    @property
    def silent_labels(self) -> frozenset[str]:
        """The labels that are never announced."""
        return frozenset(self.models[0].manifest.silent_labels)

    def settings(self, cache_dir: Path) -> Settings:
        """The daemon's default settings for this model, without camera and sinks."""
        defaults = Settings()
        return replace(
            defaults,
            camera=CameraSettings(source="emulated", realtime=False),
            model=replace(
                defaults.model,
                path=str(self.path),
                labels=str(self.labels) if self.labels else None,
                cache_dir=str(cache_dir),
            ),
            stdout=StdoutSettings(enabled=False),
            log=LogSettings(enabled=False),
            speech=SpeechSettings(enabled=False),
        )


def subjects(names: Sequence[str], labels: Path | None) -> list[Subject]:
    """Return what `names` stand for; the shipped models where there are none.

    Raises ModelError; BenchmarkError where two have one name.
    """
    found = [_subject(name, labels) for name in names or SHIPPED]
    for number, each in enumerate(found):
        if each.name in {other.name for other in found[:number]}:
            raise BenchmarkError(f"two models are called {each.name}; measure them one by one")
    return found


def _subject(name: str, labels: Path | None) -> Subject:
    path = find_model(name)
    if path.suffix != ".toml":
        model = read_model_file(path, labels)
        return Subject(model.name, path, labels, (model,))
    cascade = read_cascade_file(path)
    models = [read_model_file(stage.model, labels) for stage in cascade.stages]
    return Subject(f"cascade {cascade.name}", path, labels, tuple(models))
