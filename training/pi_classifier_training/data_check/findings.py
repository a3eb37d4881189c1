"""What is wrong with a folder of photos, as values: findings, counts, a record, lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pi_classifier_training.data.splits import Split

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class FindingKind:
    """One kind of finding: how bad it is, what it says and what to do about it."""

    severity: Severity
    message: str
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """All findings of one kind.

    `groups` holds one path for a single file and several for photos that belong
    together (copies of each other); empty where it is about labels, not files.
    """

    kind: str
    severity: Severity
    message: str
    advice: str
    groups: tuple[tuple[str, ...], ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """All files concerned."""
        return tuple(path for group in self.groups for path in group)

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """As JSON, with at most `most` groups of paths (None: all)."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "message": self.message,
            "advice": self.advice,
            "count": len(self.groups),
            "files": [list(group) for group in self.groups[:most]],
        }


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The state of a data set: findings, worst first, and photos per label and split.

    Paths are relative to the folder of photos where there is one, else as given. `splits`
    are those of the photos that were compared with others and found alike.
    """

    image_dirs: tuple[str, ...]
    findings: tuple[Finding, ...]
    counts: Mapping[str, Mapping[str, int]]
    splits: Mapping[str, Split] = field(default_factory=dict)

    @property
    def trainable(self) -> bool:
        """There is no error."""
        return not any(finding.severity == "error" for finding in self.findings)

    def path_of(self, shown: str) -> Path:
        """The real path of a path in a finding."""
        return Path(self.image_dirs[0], shown) if len(self.image_dirs) == 1 else Path(shown)

    def as_dict(self, most: int | None = None) -> dict[str, Any]:
        """As JSON, with at most `most` groups of paths a finding (None: all)."""
        return {
            "image_dirs": list(self.image_dirs),
            "trainable": self.trainable,
            "photos": sum(sum(splits.values()) for splits in self.counts.values()),
            "counts": {label: dict(splits) for label, splits in self.counts.items()},
            "findings": [finding.as_dict(most) for finding in self.findings],
        }

    def lines(self) -> list[str]:
        """For people: one paragraph a finding, with examples, then the counts."""
        lines = []
        for finding in self.findings:
            number = f" ({len(finding.groups)})" if finding.groups else ""
            lines.append(f"{finding.severity:<8} {finding.message}{number}")
            lines += [f"           {' = '.join(g[:4])}" for g in finding.groups[:EXAMPLES]]
            if len(finding.groups) > EXAMPLES:
                lines.append(f"           … and {len(finding.groups) - EXAMPLES} more (--json)")
            lines.append(f"         → {finding.advice}")
        return [*lines, *self._table(), self._verdict()]

    def _table(self) -> list[str]:
        width = max([5, *map(len, self.counts)])
        head = f"{'label':<{width}} {'training':>10} {'validation':>10} {'test':>10}"
        rows = [
            f"{label:<{width}} {n['training']:>10} {n['validation']:>10} {n['test']:>10}"
            for label, n in self.counts.items()
        ]
        return ["", head, *rows, ""]

    def _verdict(self) -> str:
        numbers = {s: sum(f.severity == s for f in self.findings) for s in SEVERITIES}
        words = ", ".join(f"{n} {s}{'' if n == 1 else 's'}" for s, n in numbers.items() if n)
        if not words:
            return "nothing found: ready to train"
        return f"{words}: {'ready to train' if self.trainable else 'correct the errors first'}"
