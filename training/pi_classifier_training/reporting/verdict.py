"""The report's first words: how good the model is, how often it speaks, what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pi_classifier_training.evaluation.announcing import announcing_sentences
from pi_classifier_training.reporting import words
from pi_classifier_training.reporting.advice import Advice
from pi_classifier_training.reporting.contents import Confusion
from pi_classifier_training.reporting.more_photos import More
from pi_classifier_training.reporting.page import Headline
from pi_classifier_training.reporting.subject import Subject


def headline(
    subject: Subject, contents_of: Mapping[str, object], steps: Sequence[Advice]
) -> Headline:
    """The verdict on the file to copy; `contents_of` are the sections' contents by anchor."""
    chosen = subject.chosen
    first = words.accuracy_sentence(chosen.test, len(chosen.outcomes.photos))
    silent = chosen.manifest.silent_labels
    sentences = list(
        announcing_sentences(chosen.outcomes, chosen.labels, silent, subject.threshold)
    )
    if isinstance(confusion := contents_of.get("confusion"), Confusion):
        sentences.append(words.confusion_sentence(confusion.pairs))
    if isinstance(more := contents_of.get("more"), More):
        sentences.append(more.result.sentence)
    sentences.append(words.copy_sentence(subject.copied, chosen.size_bytes))
    if not subject.is_run:
        sentences.append(words.SEEN_PERHAPS)
    in_short = (first, *_next_steps(subject, steps))
    return Headline(round(100 * chosen.test.value), first, sentences, in_short)


def _next_steps(subject: Subject, steps: Sequence[Advice]) -> Iterator[str]:
    yield f"Copy it to the Raspberry Pi: {subject.copying.send}"
    if steps:
        yield f"What would help most: {steps[0].title}:"
        yield from (f"  {line}" for line in steps[0].command.splitlines())
