"""From frames' predictions to decisions: a label is announced once, when it is sure.

Pure: no clock, no files, no threads. Time is the frames' own, so a recorded run
gives the same decisions again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from pi_classifier.modelfile.labels import clean_label
from pi_classifier.setting import setting
from pi_classifier.types import Category, Decision, Frame, Prediction, Several
from pi_classifier.visits import Tracks, Visits

_NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class SmootherSettings:
    """How sure, and for how long, before a label is announced; whether several may be."""

    threshold_high: float = setting(
        0.7, "score from which a label may be announced", minimum=0.0, maximum=1.0
    )
    threshold_low: float = setting(
        0.4,
        "an announced label holds as long as its score stays at or above this",
        minimum=0.0,
        maximum=1.0,
    )
    patience: int = setting(
        3, "frames in a row that must agree before the announcement changes", minimum=1
    )
    refractory_s: float = setting(
        1.0, "shortest time between two announced labels, in seconds", minimum=0.0
    )
    visit_gap_s: float = setting(
        10.0, "what is back within so many seconds is on the same visit", minimum=0.0
    )
    silent_labels: tuple[str, ...] = setting(
        (),
        "labels that are never announced, beside those that the model itself calls silent "
        "(such as background)",
    )
    multiple: bool = setting(
        False,
        "several labels may be announced together, each by these rules for itself; for models "
        "whose scores are independent of one another (sigmoid)",
    )

    def __post_init__(self) -> None:
        if self.threshold_low > self.threshold_high:
            raise ValueError(
                f"threshold_low = {self.threshold_low} is above "
                f"threshold_high = {self.threshold_high}; lower it or raise the other"
            )

    @property
    def made_silent(self) -> tuple[str, ...]:
        """The `silent_labels`, spelled as models have theirs."""
        return tuple(map(clean_label, self.silent_labels))


class Smoother:
    """Turns one prediction per frame into decisions, only on change.

    The smoother holds the label it announced last: L, or None for "nothing". Each
    frame proposes a candidate:

    1. None, if it is unlike every label (`Prediction.unknown`);
    2. else the top label, if its score is at least `threshold_high` and it is not silent;
    3. else L, if there is one, its own score is at least `threshold_low` and it is not silent;
    4. else None.

    A candidate equal to L settles the matter: the count starts over. Any other
    candidate is counted; a different one starts the count at 1. When the same
    candidate was proposed by `patience` frames in a row it becomes L and is returned
    as a decision. A label (not None) waits, still being proposed by every frame,
    until `refractory_s` has passed since the frame of the last label decision.

    Frames must come in the order of their timestamps. A frame that the gate did not
    admit is not seen here and counts neither for nor against a candidate.
    """

    def __init__(self, settings: SmootherSettings, silent_labels: Collection[str] = ()) -> None:
        self._high = settings.threshold_high
        self._low = settings.threshold_low
        self._patience = settings.patience
        self._refractory_ns = round(settings.refractory_s * _NS_PER_S)
        self._silent = frozenset(silent_labels)
        self.visits = Visits(settings.visit_gap_s)
        self._label: str | None = None
        self._pending: str | None = None
        self._count = 0
        self._spoke_ns: int | None = None

    @property
    def label(self) -> str | None:
        """The label announced last; None when nothing is announced."""
        return self._label

    @property
    def spoke_ns(self) -> int | None:
        """The time of the frame that announced the last label; None before the first."""
        return self._spoke_ns

    def resume_from(self, other: object) -> None:
        """Take over what the other one has announced, so that nothing is announced twice.

        From anything but a smoother of one label it takes nothing.
        """
        if isinstance(other, Smoother):
            self._label, self._spoke_ns = other.label, other.spoke_ns
            self.visits = other.visits

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None:
        """Take the prediction of the next frame; return a decision on change, else None.

        The decision carries the score of the prediction's top category: for a label
        its own, for "nothing" that of whatever came first in that frame.
        """
        candidate = self._candidate(prediction)
        if candidate == self._label:
            self._count = 0
            return None
        if self._count == 0 or candidate != self._pending:
            self._pending = candidate
            self._count = 0
        self._count += 1
        if self._count < self._patience or not self._may_speak(candidate, frame.timestamp_ns):
            return None
        visit = self.visits.change(self._label, candidate, frame.timestamp_ns)
        self._label = candidate
        self._count = 0
        if candidate is not None:
            self._spoke_ns = frame.timestamp_ns
        return self.decision(frame, prediction, visit)

    def decision(self, frame: Frame, prediction: Prediction, visit: int | None) -> Decision:
        """The label in force as a decision of this frame."""
        return Decision(
            label=self._label,
            score=prediction.top.score,
            sequence=frame.sequence,
            timestamp_ns=frame.timestamp_ns,
            stage=prediction.stage,
            model=prediction.model,
            latency_ns=prediction.latency_ns,
            picture=frame.picture,
            unknown=prediction.unknown,
            camera=frame.camera,
            detections=prediction.detections,
            visit=visit,
        )

    def _candidate(self, prediction: Prediction) -> str | None:
        if prediction.unknown:
            return None
        top = prediction.top
        if top.score >= self._high and top.label not in self._silent:
            return top.label
        # The configuration may have made it silent since it was announced.
        if self._label is None or self._label in self._silent:
            return None
        for category in prediction.categories:
            if category.score < self._low:
                break
            if category.label == self._label:
                return self._label
        return None

    def _may_speak(self, candidate: str | None, timestamp_ns: int) -> bool:
        if candidate is None or self._spoke_ns is None:
            return True
        return timestamp_ns - self._spoke_ns >= self._refractory_ns


class MultipleSmoother:
    """Turns one prediction per frame into decisions about several labels at once.

    Every label has a `Smoother` of its own, which is given that label's score alone: so its
    threshold, patience and refractory time are its own, and no label delays or ends another.
    A frame that is unlike every label speaks against all of them.
    What changes in a frame is one decision, with all labels that are in force after it.

    Predictions must have every label, and their scores must be independent of one another.
    """

    def __init__(self, settings: SmootherSettings, silent_labels: Collection[str] = ()) -> None:
        self._settings = settings
        self._high = settings.threshold_high
        self._silent = frozenset(silent_labels)
        # Of the labels that were sure at least once; for all others every frame is the first.
        self._smoothers: dict[str, Smoother] = {}

    @property
    def by_label(self) -> Mapping[str, Smoother]:
        """The smoothers of all labels that were sure at least once."""
        return self._smoothers

    def resume_from(self, other: object) -> None:
        """Take over what the other one has announced, so that nothing is announced twice.

        From anything but a smoother of several labels it takes nothing.
        """
        if isinstance(other, MultipleSmoother):
            for label, smoother in other.by_label.items():
                self._smoother(label).resume_from(smoother)

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None:
        """Take the prediction of the next frame; return a decision on change, else None.

        For "nothing" it carries the score of whatever came first in that frame.
        """
        # Of a label that was never sure, a low score changes nothing.
        fed = [
            category
            for category in prediction.categories
            if category.score >= self._high or category.label in self._smoothers
        ]
        # After a reload with another model: what it does not know is not seen any more.
        gone = self._smoothers.keys() - {category.label for category in fed}
        fed += [Category(-1, label, 0.0) for label in sorted(gone)]
        changes = [
            change
            for category in fed
            if (change := self._fed(frame, prediction, category)) is not None
        ]
        if not changes:
            return None
        in_force = tuple(c for c in prediction.categories if self._holds(c.label))
        announced = tuple(change.label for change in changes if change.label is not None)
        chosen = [c for c in in_force if not announced or c.label in announced]
        best = chosen[0] if chosen else prediction.top
        return replace(
            changes[0],
            label=best.label if chosen else None,
            score=best.score,
            several=Several(in_force, announced),
            unknown=prediction.unknown and not chosen,
            visit=next((change.visit for change in changes if change.label == best.label), None),
        )

    def _fed(self, frame: Frame, of: Prediction, category: Category) -> Decision | None:
        alone = Prediction((category,), of.model, of.stage, of.latency_ns, of.unknown)
        return self._smoother(category.label).update(frame, alone)

    def _smoother(self, label: str) -> Smoother:
        found = self._smoothers.get(label)
        if found is None:
            found = self._smoothers[label] = Smoother(self._settings, self._silent)
        return found

    def _holds(self, label: str) -> bool:
        return label in self._smoothers and self._smoothers[label].label is not None


class TrackingSmoother:
    """Decides as a `Smoother` does, and follows what is seen where in the frames.

    Detections carry the numbers of their visits, and so does the decision. Another thing of the
    label in force is a decision too: the same label, the next visit.
    """

    def __init__(self, settings: SmootherSettings, silent_labels: Collection[str] = ()) -> None:
        self.smoother = Smoother(settings, silent_labels)
        self.tracks = Tracks(settings.visit_gap_s, settings.patience)
        # Whether the label was announced before it was clear which visit it is.
        self._early = False

    def resume_from(self, other: object) -> None:
        """Take over what the other one has announced and followed."""
        if isinstance(other, TrackingSmoother):
            self.smoother.resume_from(other.smoother)
            self.tracks = other.tracks
        else:
            self.smoother.resume_from(other)

    def update(self, frame: Frame, prediction: Prediction) -> Decision | None:
        """Take the prediction of the next frame; return a decision on change, else None."""
        detections, begun = self.tracks.follow(frame.timestamp_ns, prediction.detections)
        numbered = replace(prediction, detections=detections)
        decision = self.smoother.update(frame, numbered)
        label = self.smoother.label
        another = decision is None and label in begun
        if another and not self._early:
            decision = self.smoother.decision(frame, numbered, None)
        if another:
            self._early = False
        if decision is None:
            return None
        visits = [seen.visit for seen in detections if seen.label == label]
        newest = max((visit for visit in visits if visit is not None), default=None)
        self._early = label is not None and newest is None
        return replace(decision, visit=newest)


AnySmoother = Smoother | MultipleSmoother | TrackingSmoother


def make_smoother(
    settings: SmootherSettings, silent_labels: Collection[str] = (), *, tracking: bool = False
) -> AnySmoother:
    """The smoother that the settings ask for; `tracking` one for predictions with boxes."""
    if tracking:
        return TrackingSmoother(settings, silent_labels)
    kind = MultipleSmoother if settings.multiple else Smoother
    return kind(settings, silent_labels)
