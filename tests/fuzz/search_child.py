"""The process that searches one target; started by `tests.fuzz.search` alone."""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pi_classifier", "pi_classifier_training"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Search until libFuzzer's limits, its arguments, are reached: it ends the process."""
    name, findings, corpus, *limits = sys.argv[1:]
    target = next(target for target in TARGETS if target.name == name)
    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / str(number)).write_bytes(seed)
    seen: set[str] = set()

    def attempt(data: bytes) -> None:
        try:
            target.attempt(data)
        except Exception as error:  # noqa: BLE001  whatever it is: it was not documented
            where = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__}-{Path(where.filename).name}-{where.lineno}"
            if kind not in seen:
                seen.add(kind)
                digest = hashlib.sha256(data).hexdigest()[:8]
                path = Path(findings) / f"{kind}-{digest}"
                path.write_bytes(data)
                path.with_name(f"{path.name}.txt").write_text(traceback.format_exc())

    atheris.Setup([sys.argv[0], *limits, corpus], attempt)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
