"""The only writer of ``cascade.toml``; `pi_classifier.modelfile.cascade_file` reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier.modelfile.cascade_file import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class StageThresholds:
    """What each stage but the last accepts: its threshold, and those of some labels."""

    accept: tuple[float, ...]
    labels: tuple[Mapping[str, float], ...] = ()
    note: str = ""


def toml_text(
    models: Sequence[Path],
    name: str,
    output: Path,
    thresholds: StageThresholds,
    record: Mapping[str, Any],
) -> str:
    """The text of cascade.toml; model paths are relative to its folder."""
    lines = [
        "# Written by 'pi-classifier-train calibrate'; calibrate again rather than edit.",
        f"schema_version = {SCHEMA_VERSION}",
        f"name = {_quoted(name)}",
    ]
    for number, model in enumerate(models):
        relative = Path(os.path.relpath(model, output.parent)).as_posix()
        lines += ["", "[[stage]]", f"model = {_quoted(relative)}"]
        if number < len(models) - 1:
            lines.append(f"accept = {thresholds.accept[number]:g}")
            own = thresholds.labels[number] if thresholds.labels else {}
            if own:
                pairs = ", ".join(f"{_quoted(k)} = {v:g}" for k, v in own.items())
                lines.append(f"accept_labels = {{ {pairs} }}")
    if record:
        lines += ["", *_measured(record)]
    return "\n".join(lines) + "\n"


def _measured(record: Mapping[str, Any]) -> list[str]:
    first, *_, last = record["models"]
    times = ", ".join(f"{model['frame_ms']:.3g}" for model in record["models"])
    networks = ", ".join(f"{model['network_ms']:.3g}" for model in record["models"])
    return [
        f"# On {record['n']} held-out photos, on the machine that calibrated; costs of 640×480",
        "# frames, as a share of the last model's.",
        "[measured]",
        f"n = {record['n']}",
        f"top1 = {record['cascade']['top1']:.4f}",
        f"top1_first_stage = {first['top1']:.4f}",
        f"top1_last_stage = {last['top1']:.4f}",
        f"deferral_ratio = {record['deferral_ratio']:.4f}",
        f"cost_ratio = {record['cost_ratio']:.3f}",
        f"network_cost_ratio = {record['network_cost_ratio']:.3f}",
        f"frame_ms = [{times}]",
        f"network_ms = [{networks}]",
    ]


def _quoted(text: str) -> str:
    # JSON's escapes are TOML's, but for surrogate pairs, not used here, and DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
