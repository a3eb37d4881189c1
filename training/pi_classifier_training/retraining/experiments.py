"""Several runs side by side: what differs between them and how good each is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pi_classifier_training.errors import TrainingError
from pi_classifier_training.retraining.recipe import flat
from pi_classifier_training.retraining.run_folder import RUN_FILE, RunFolder

_NONE = "–"
_HEADER = ("name", "network", "differs in", "validation", "float32 test", "int8 test", "kB", "n")
# What another option says already.
_NOT_LISTED = ("training.small_scale",)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A finished run by the name of its folder."""

    name: str
    summary: dict[str, Any]
    size_bytes: int | None

    @property
    def network(self) -> str:
        """Family, width and resolution."""
        spec = self.summary["network"]
        return f"{spec['name']} {spec['width']}/{spec['resolution']}"

    @property
    def options(self) -> dict[str, Any]:
        """All options by name."""
        return flat(self.summary["options"])


def find_experiments(folder: Path) -> list[Experiment]:
    """The finished runs in the sub-folders of `folder`, by name.

    Raises TrainingError where there is none.
    """
    runs = sorted(path.parent for path in folder.glob(f"*/{RUN_FILE}"))
    if not runs:
        raise TrainingError(
            f"{folder}: holds no finished runs; train some with 'pi-classifier-train retrain "
            f"--output-dir {folder / 'NAME'}'"
        )
    return [Experiment(run.name, RunFolder(run).summary(), _size(run)) for run in runs]


def _size(run: Path) -> int | None:
    model = run / "int8.tflite"
    return model.stat().st_size if model.exists() else None


def table(experiments: Sequence[Experiment]) -> Iterator[str]:
    """Lines of a table: name, network, options that differ, accuracies, size, test photos."""
    rows = [_HEADER, *(_row(run, _differing(experiments)) for run in experiments)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEADER))]
    for row in rows:
        yield "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()


def _row(experiment: Experiment, differing: Sequence[str]) -> tuple[str, ...]:
    options, summary = experiment.options, experiment.summary
    differences = ", ".join(
        f"{x.rpartition('.')[2]} {options[x]}" for x in differing if x in options
    )
    evaluation = summary.get("evaluation", {})
    counts = {part["n"] for part in evaluation.values() if "n" in part}
    return (
        experiment.name,
        experiment.network,
        differences or _NONE,
        _percent(summary.get("validation_accuracy")),
        _percent(evaluation.get("float32", {}).get("top1")),
        _percent(evaluation.get("int8", {}).get("top1")),
        _NONE if experiment.size_bytes is None else f"{experiment.size_bytes / 1000:.0f}",
        str(max(counts)) if counts else _NONE,
    )


def _percent(share: float | None) -> str:
    return _NONE if share is None else f"{100 * share:.1f} %"


def _differing(experiments: Sequence[Experiment]) -> list[str]:
    """Names of options that are not the same in all runs; missing ones differ from none."""
    names = dict.fromkeys(name for run in experiments for name in run.options)
    return [
        name
        for name in names
        if name not in _NOT_LISTED
        and len({str(e.options[name]) for e in experiments if name in e.options}) > 1
    ]
