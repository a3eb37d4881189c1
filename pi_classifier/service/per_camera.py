"""Gate and smoother: of several cameras, or regions, each has its own, and its frames go there."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from pi_classifier.cameras import is_live
from pi_classifier.cameras.regions import RegionSettings
from pi_classifier.config.settings import Settings
from pi_classifier.decision import SmootherSettings, make_smoother
from pi_classifier.errors import ConfigError
from pi_classifier.gate import open_gate
from pi_classifier.inference.classifier import silent_labels_of
from pi_classifier.pipeline import Smooths
from pi_classifier.suggest import suggestion
from pi_classifier.types import Classifier, Decision, Frame, Gate, Prediction


class GatePerCamera:
    """Admits a frame that the gate of its camera admits; `gates` are by the camera's name."""

    def __init__(self, gates: Mapping[str, Gate]) -> None:
        self._gates = gates

    def admits(self, frame: Frame) -> bool:
        """Whether the frame is to be classified."""
        return self._gates[frame.camera].admits(frame)


class SmootherPerCamera:
    """Decides on a frame by the smoother of its camera; `smoothers` are by the camera's name."""

    def __init__(self, smoothers: Mapping[str, Smooths]) -> None:
        self._smoothers = smoothers

    def of(self, camera: str) -> Smooths | None:
        """The smoother of one camera, None where there is no such camera."""
        return self._smoothers.get(camera)

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None:
        """Take the prediction of a frame; return a decision on change, else None."""
        return self._smoothers[frame.camera].update(frame, prediction)

    def resume_from(self, other: object) -> None:
        """Take over what the others have announced, so that nothing is announced twice."""
        if isinstance(other, SmootherPerCamera):
            for camera, smoother in self._smoothers.items():
                before = other.of(camera)
                if before is not None:
                    smoother.resume_from(before)


def gate_and_smoother(settings: Settings, classifier: Classifier) -> tuple[Gate, Smooths]:
    """What looks at the frames of the camera; of several cameras or regions each has its own.

    Raises ConfigError for regions of several cameras, and for what they say that does not go
    together.
    """
    silent = silent_labels_of(classifier).union(settings.decision.made_silent)
    smoother = partial(make_smoother, tracking=bool(settings.tiles.sizes))
    if settings.regions:
        gates = {
            one.name: open_gate(settings.gate, live=is_live(settings.camera))
            for one in settings.regions
        }
        smoothers = {
            one.name: smoother(*_of_region(one, settings, classifier.labels, silent))
            for one in settings.regions
        }
        return GatePerCamera(gates), SmootherPerCamera(smoothers)
    if not settings.cameras:
        gate = open_gate(settings.gate, live=is_live(settings.camera))
        return gate, smoother(settings.decision, silent)
    gates = {one.name: open_gate(settings.gate, live=is_live(one)) for one in settings.cameras}
    return GatePerCamera(gates), SmootherPerCamera(
        {name: smoother(settings.decision, silent) for name in gates}
    )


def _of_region(
    region: RegionSettings, settings: Settings, labels: Sequence[str], silent: Collection[str]
) -> tuple[SmootherSettings, frozenset[str]]:
    """The rules and the silent labels of one region."""
    title = f"[[regions]] {region.name}"
    if settings.cameras:
        raise ConfigError(
            f"{title}: regions are of one camera, and there are [[cameras]]; remove "
            "one of both, or choose one with --camera NAME"
        )
    for label in region.labels:
        if label not in labels:
            raise ConfigError(
                f"{title}: labels names {label!r}, which the model does not know."
                f"{suggestion(label, labels)} 'pi-classifier models' lists its labels"
            )
    try:
        rules = replace(settings.decision, **region.rules)
    except ValueError as error:
        raise ConfigError(f"{title}: {error}") from None
    others = set(labels) - set(region.labels) if region.labels else set()
    return rules, frozenset(others.union(silent))
