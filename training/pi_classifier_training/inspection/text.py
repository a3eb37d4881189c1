"""An inspection as lines that a person reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pi_classifier_training.inspection.weights import KIND_WORDS

HEAVIEST = 8
MOST_NODES, MOST_KINDS = 8, 12


def inspection_lines(record: Mapping[str, Any], *, every_layer: bool = False) -> Iterator[str]:
    """The lines ``inspect`` prints for a model or a cascade."""
    if "stages" in record:
        yield f"cascade {record['cascade']} of {len(record['stages'])} models"
        for number, stage in enumerate(record["stages"], start=1):
            accept = stage["accept"]
            words = f", answers from a score of {accept:.2f} on" if accept is not None else ""
            yield ""
            yield f"stage {number}{words}"
            yield from inspection_lines(stage, every_layer=every_layer)
        return
    yield f"{record['file']}: {size(record['bytes'])}, {size(record['gzip_bytes'])} under gzip"
    yield from _about(record)
    yield from _network(record)
    yield from _weights(record)
    yield from _layers(record["layers"], every_layer)
    yield from _times(record)


def description_lines(record: Mapping[str, Any]) -> Iterator[str]:
    """The lines ``inspect`` prints for another program's model."""
    yield f"{record['file']}: {size(record['bytes'])}, a {record['format']}"
    if "written_by" in record:
        yield _line("written by", record["written_by"])
    for title in ("inputs", "outputs"):
        shown = record[title][:MOST_NODES]
        for number, entry in enumerate(shown):
            more = len(record[title]) - len(shown)
            others = f" and {more} more" if more and number == len(shown) - 1 else ""
            yield _line("" if number else title[:-1], _node(entry) + others)
        if not record[title]:
            yield _line(title[:-1], "none found")
    if "normalization" in record:
        mean, std = record["normalization"]["mean"], record["normalization"]["std"]
        yield _line("pixels", f"(x − {_list(mean)}) / {_list(std)}, before the input")
    kinds = list(record["operations"].items())
    named = ", ".join(f"{count} {kind}" for kind, count in kinds[:MOST_KINDS])
    rest = f" and {len(kinds) - MOST_KINDS} kinds more" if len(kinds) > MOST_KINDS else ""
    yield _line("operations", f"{sum(record['operations'].values())}: {named}{rest}")
    yield _line("parameters", many(record["parameters"]))
    yield _line("next", _import_command(record))


def _node(entry: Mapping[str, Any]) -> str:
    shape = " × ".join("?" if n in (-1, None) else str(n) for n in entry.get("shape", ()))
    facts = [entry.get("kind"), entry.get("dtype"), shape]
    return ", ".join([entry["name"], *(fact for fact in facts if fact)])


def _import_command(record: Mapping[str, Any]) -> str:
    words = ["pi-classifier-train import", str(record["file"]), "-o model.tflite"]
    words += [
        f"--{role}-node {role.upper()}"
        for role in ("input", "output")
        if record.get(f"{role}_node", "known") is None
    ]
    return " ".join(words)


def size(count: int) -> str:
    """A number of bytes: 812 bytes, 319 kB, 4.2 MB."""
    if count < 1000:
        return f"{count} bytes"
    # From here on kilobytes would be rounded to 1000.
    return f"{count / 1e3:.0f} kB" if count < 999_500 else f"{count / 1e6:.1f} MB"


def many(count: int) -> str:
    """A large number: 950, 211,880, 4.2 million, 1.1 billion."""
    if count < 1e6:
        return f"{count:,}"
    return f"{count / 1e6:.1f} million" if count < 999_950_000 else f"{count / 1e9:.1f} billion"


def milliseconds(low: float, high: float) -> str:
    """A range with no more digits than an estimate deserves: 0.72–3.2, 25–46."""
    if high < 0.1:
        return "under 0.1 ms"
    return f"about {_two_digits(low)}–{_two_digits(high)} ms"


def _two_digits(value: float) -> str:
    if value < 0.01:
        return "0"
    digits = 1 - math.floor(math.log10(value))
    return f"{round(value, digits):.{max(0, digits)}f}"


def _line(title: str, text: str) -> str:
    return f"  {title:14} {text}"


def _about(record: Mapping[str, Any]) -> Iterator[str]:
    yield _line("kind", KIND_WORDS[record["kind"]])
    if "stated_kind" in record and not record["kind_as_stated"]:
        yield _line("", f"but the file says it is {record['stated_kind']!r}")
    if not record["usable"]:
        yield _line("usable", f"not yet: {record['problem']}")
        return
    yield _line("name", record["name"] + _suffix(record, "version", ", version "))
    for key in ("description", "author", "license"):
        if key in record:
            yield _line(key, str(record[key]))
    yield _line("labels", f"{record['labels']}, from {record['labels_source']}")
    ends = {"none": "logits (the daemon adds softmax)"}.get(
        record["ends_with"], record["ends_with"]
    )
    yield _line("ends with", ends)
    top1 = record.get("evaluation", {}).get("top1")
    if isinstance(top1, int | float):
        yield _line(
            "accuracy", f"{top1:.1%} top-1 on {record['evaluation'].get('n')} photos, as it says"
        )
    golden = record["golden_vectors"]
    yield _line("self-test", f"{golden} golden vectors" if golden else "none inside")


def _suffix(record: Mapping[str, Any], key: str, before: str) -> str:
    return f"{before}{record[key]}" if record.get(key) else ""


def _network(record: Mapping[str, Any]) -> Iterator[str]:
    for title in ("inputs", "outputs"):
        for tensor in record[title]:
            yield _line(title[:-1], _tensor(tensor))
    if record.get("normalization"):
        mean, std = record["normalization"]["mean"], record["normalization"]["std"]
        raw = all(m == 0 for m in mean) and all(s == 1 for s in std)
        values = "0 to 255 as they are" if raw else f"(x − {_list(mean)}) / {_list(std)}"
        yield _line("pixels", f"{record['channels']}, {values}")
    elif record["usable"]:
        yield _line(
            "pixels", f"{record['channels']}, not stated; 0 to 255 over the input's whole range"
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in record["operations"].items())
    yield _line("operations", f"{sum(record['operations'].values())}: {kinds}")
    yield _line("parameters", many(record["parameters"]))
    yield _line("work", f"{many(record['macs'])} multiply-accumulates a picture")
    memory = record["activations"]
    yield _line(
        "activations",
        f"{size(memory['planned_bytes'])} planned; {size(memory['peak_bytes'])} at once at most "
        f"(operation {memory['worst']})",
    )


def _tensor(tensor: Mapping[str, Any]) -> str:
    shape = " × ".join(str(n) for n in tensor["shape"]) or "a number"
    text = f"{tensor['dtype']}, {shape}"
    if "scale" in tensor:
        text += f", scale {tensor['scale']:.6g}, zero point {tensor['zero_point']}"
    return text


def _list(values: Sequence[float]) -> str:
    return (
        f"{values[0]:g}" if len(set(values)) == 1 else f"[{', '.join(f'{v:g}' for v in values)}]"
    )


def _weights(record: Mapping[str, Any]) -> Iterator[str]:
    for number, (name, count) in enumerate(record["bytes_by_type"].items()):
        yield _line("" if number else "in the file", f"{size(count):>9} {name}")
    yield _line("weights", f"{record['distinct_weights']:,} different values")
    if record["memory_mappable"]:
        mapped = f"yes, weights start at multiples of {record['weight_alignment']} bytes"
    else:
        mapped = "no: weights lie at odd places and must be copied"
    yield _line("mappable", mapped)


def _layers(layers: Sequence[Mapping[str, Any]], every: bool) -> Iterator[str]:
    total = sum(layer["macs"] for layer in layers) or 1
    chosen = list(layers)
    if not every and len(layers) > HEAVIEST:
        chosen = sorted(layers, key=lambda layer: -layer["macs"])[:HEAVIEST]
    yield "  layers" if len(chosen) == len(layers) else f"  the {len(chosen)} heaviest layers"
    yield f"    {'':3} {'operation':18} {'output':16} {'work':>14} {'':>6} {'parameters':>12}"
    for layer in chosen:
        output = "×".join(str(n) for n in layer["output"])
        yield (
            f"    {layer['number']:3} {layer['kind']:18} {output:16} {many(layer['macs']):>14} "
            f"{layer['macs'] / total:6.1%} {layer['parameters']:12,}"
        )


def _times(record: Mapping[str, Any]) -> Iterator[str]:
    yield "  time for one picture (an estimate, without reading and resizing it)"
    for estimate in record["estimates"]:
        yield f"    {estimate['board']:12} {milliseconds(estimate['low_ms'], estimate['high_ms'])}"
    yield f"    {record['estimates_basis']}"
