"""The report's first words: how good the model is, how often it speaks, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pi_classifier.decision import SmootherSettings
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.advice import Advice
from pi_classifier_training.reporting.contents import Confusion
from pi_classifier_training.reporting.model_files import MeasuredFile
from pi_classifier_training.reporting.more_photos import More
from pi_classifier_training.reporting.page import Headline
from pi_classifier_training.reporting.subject import Subject


def headline(
    subject: Subject, contents_of: Mapping[str, object], steps: Sequence[Advice]
) -> Headline:
    """The verdict on the file to copy; `contents_of` are the sections' contents by anchor."""
    chosen = subject.chosen
    first = words.accuracy_sentence(chosen.test, len(chosen.outcomes.photos))
    sentences = list(speaking(chosen))
    if isinstance(confusion := contents_of.get("confusion"), Confusion):
        sentences.append(words.confusion_sentence(confusion.pairs))
    if isinstance(more := contents_of.get("more"), More):
        sentences.append(more.result.sentence)
    sentences.append(words.copy_sentence(subject.copied, chosen.size_bytes))
    if not subject.is_run:
        sentences.append(words.SEEN_PERHAPS)
    in_short = (first, *_next_steps(subject, steps))
    return Headline(round(100 * chosen.test.value), first, sentences, in_short)


def speaking(file: MeasuredFile) -> Iterator[str]:
    """What guessing would get, how often it will speak, and how often where it should not."""
    shown = np.bincount(file.outcomes.truth, minlength=len(file.labels))
    commonest = int(shown.argmax())
    share = float(shown[commonest] / shown.sum())
    yield words.guessing_sentence(file.test, file.labels[commonest], share)
    if (said := file.said()).n:
        yield words.speaking_sentence(said, SmootherSettings().patience)
    if (said := file.said(of_silent=True)).n:
        yield words.silence_sentence(said, file.manifest.silent_labels)


def _next_steps(subject: Subject, steps: Sequence[Advice]) -> Iterator[str]:
    yield f"Copy it to the Raspberry Pi: {subject.copying.send}"
    if steps:
        yield f"What would help most: {steps[0].title}:"
        yield from (f"  {line}" for line in steps[0].command.splitlines())
