"""The classifier for cameras that classify by themselves: labels, and what it cannot do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pi_classifier.config.settings import Settings
from pi_classifier.decision import SmootherSettings
from pi_classifier.errors import ConfigError, ModelMismatch
from pi_classifier.inference.classifier import open_classifier, silent_labels_of
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.service.build import make_parts, open_deciding_classifier
from pi_classifier.speech.settings import SpeechSettings
from pi_classifier.types import Decision, Frame

PIXELS = np.zeros((4, 4, 3), np.uint8)


def frame(sequence: int, *scores: float) -> Frame:
    given = np.array(scores, np.float32) if scores else None
    return Frame(PIXELS, sequence, sequence * 10**8, scores=given)


@pytest.fixture
def labels(tmp_path: Path) -> str:
    path = tmp_path / "labels.txt"
    path.write_text("Background\ndog\n__empty__\n")
    return str(path)


def test_it_names_the_scores_of_the_frame(labels: str) -> None:
    classifier = open_classifier(ModelSettings(path="imx500", labels=labels, top_k=2))
    best = classifier.classify(frame(0, 0.25, 0.5, 0.125))
    assert [(c.label, c.index, c.score) for c in best.categories] == [
        ("dog", 1, 0.5),
        ("Background", 0, 0.25),
    ]
    for wrong in (frame(0), frame(0, 0.5, 0.5)):
        with pytest.raises(ModelMismatch, match='model "imx500"'):
            classifier.classify(wrong)


def test_its_silent_labels_are_known_by_their_names_and_never_announced(labels: str) -> None:
    settings = Settings(
        model=ModelSettings(path="imx500", labels=labels),
        decision=SmootherSettings(patience=1),
        speech=SpeechSettings(enabled=False),
    )
    classifier = open_deciding_classifier(settings)
    assert silent_labels_of(classifier) == {"Background", "__empty__"}
    smoother = make_parts(settings, classifier, on_stdout_closed=lambda: None).smoother

    def decided(sequence: int, *scores: float) -> Decision | None:
        seen = frame(sequence, *scores)
        return smoother.update(seen, classifier.classify(seen))

    assert decided(0, 0.9, 0.1, 0.0) is None
    assert decided(1, 0.0, 0.1, 0.9) is None
    decision = decided(2, 0.0, 0.9, 0.1)
    assert decision is not None
    assert decision.label == "dog"


def test_the_configuration_may_spell_an_accent_as_two_letters(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("gru\u0308n\nrot\n")
    settings = Settings(
        model=ModelSettings(path="imx500", labels=str(labels)),
        decision=SmootherSettings(patience=1, silent_labels=("gru\u0308n", " rot ")),
        speech=SpeechSettings(enabled=False),
    )
    classifier = open_deciding_classifier(settings)
    smoother = make_parts(settings, classifier, on_stdout_closed=lambda: None).smoother
    for sequence, scores in enumerate([(0.9, 0.1), (0.1, 0.9)]):
        seen = frame(sequence, *scores)
        assert smoother.update(seen, classifier.classify(seen)) is None


def test_it_cannot_tell_unknown_frames(labels: str) -> None:
    settings = ModelSettings(path="imx500", labels=labels, unknown_rejection="on")
    with pytest.raises(ConfigError, match='unknown_rejection = on: model "imx500" does not say'):
        open_classifier(settings)
