"""What ``quantize`` says, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pi_classifier_training.compression.layer_errors import LayerError
from pi_classifier_training.compression.quantization import Comparison, Quantized
from pi_classifier_training.evaluation.report_text import difference_words, top_lines

WORDS = {
    "dynamic": "weights in 8 bits, arithmetic in floats (dynamic-range quantized)",
    "float16": "weights in 16 bits, arithmetic in floats",
    "int8": "all in 8 bits, ranges measured on your photos (full-integer quantized)",
    "qat": "all in 8 bits, weights and ranges trained for it (quantization-aware trained)",
}
# Errors of a tenth and of a third of the signal.
FINE_DB, POOR_DB = 20.0, 10.0
HURTING = 3


def quantized_lines(result: Quantized) -> Iterator[str]:
    """The lines the command prints."""
    share = result.size_bytes / result.float_bytes
    yield f"{result.path}: {WORDS[result.kind]}"
    yield f"  size           {result.size_bytes / 1000:.0f} kB, {share:.0%} of the float network"
    if result.training is not None:
        first, chosen = result.training.losses[0], result.training.chosen
        best = result.training.losses[chosen]
        yield (
            f"  training       distance to the float network's scores {first:.4f} before, "
            f"{best:.4f} after epoch {chosen} (kept)"
            if chosen
            else f"  training       no epoch came closer than the untrained start ({first:.4f}): "
            "the start is kept; try a smaller --rate"
        )
    if result.in_floats:
        yield (
            f"  in floats      {', '.join(result.in_floats)}, without a form in 8 bits: slower "
            "on a Pi, and not for a Coral"
        )
    for split, comparison in result.splits.items():
        yield from _comparison_lines(split, comparison)
    if result.seen and result.splits:
        yield (
            "                 shares are honest for photos the model was not trained on; what was "
            "lost and won is so in any case"
        )
    yield from layer_lines(result.layers)


def _comparison_lines(split: str, c: Comparison) -> Iterator[str]:
    before, after = c.before, c.after
    yield (
        f"  {split:<15}{before['top1']:.1%} of {c.n} photos right in floats, "
        f"{after['top1']:.1%} now: {c.lost} lost, {c.won} won"
    )
    yield f"                 {difference_words(c.test, c.n)}"
    yield (
        f"                 cross-entropy {before['cross_entropy']:.3f} in floats, "
        f"{after['cross_entropy']:.3f} now"
    )
    for line in top_lines({"in floats": before, "now": after}):
        yield f"                 {line}"


def layer_lines(layers: Sequence[LayerError]) -> Iterator[str]:
    """A table of layers with the signal-to-noise ratio of each, and which of them hurt."""
    if not layers:
        return
    width = max(len(layer.name) for layer in layers)
    yield ""
    yield f"{'layer':<{width}}  {'operation':<17}  signal/error  alone it moves scores by"
    for layer in layers:
        alone = "" if layer.alone is None else f"{layer.alone:.4f}"
        yield f"{layer.name:<{width}}  {layer.kind:<17}  {layer.sqnr_db:9.1f} dB  {alone:>12}"
    yield ""
    yield from _hurting(layers)


def _hurting(layers: Sequence[LayerError]) -> Iterator[str]:
    last = layers[-1].sqnr_db
    verdict = (
        "small"
        if last >= FINE_DB
        else "noticeable"
        if last >= POOR_DB
        else "as large as to matter"
    )
    yield (
        f"The error in the scores is {verdict}: {last:.1f} dB below them (20 dB is a tenth, "
        "10 dB a third)."
    )
    known = [layer for layer in layers if layer.alone is not None]
    worst = sorted(known, key=lambda layer: -(layer.alone or 0.0))[:HURTING]
    if worst:
        names = ", ".join(f"{layer.name} ({layer.alone:.4f})" for layer in worst)
        yield f"What hurts most when quantized alone: {names}."
