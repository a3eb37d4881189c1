"""Cache folders on disks of every size: a model runs, and nothing half-written stays."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.needs import NEEDS_LITERT

ROOT = Path(__file__).resolve().parents[2]
# Kilobytes. What the first model needs: copy 304, weights 232; the second: copy 2012,
# weights 1840.
# scripts/test --all tries every 8 of them.
STEP = int(os.environ.get("PI_CLASSIFIER_DISK_STEP_KB", "0"))
SIZES = range(8, 4_600, STEP) if STEP else (8, 120, 312, 320, 480, 560, 1600, 2600, 3500, 4600)

PROGRAM = """
import hashlib, json, logging, subprocess, sys
from pathlib import Path
import numpy as np
from pi_classifier.inference import verifier
from pi_classifier.inference.classifier import open_classifier
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.weight_cache import _checksum

cache = Path(sys.argv[1])
said = []

class Said(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())

logging.getLogger().addHandler(Said(logging.WARNING))


def opened(model):
    said.clear()
    classifier = open_classifier(ModelSettings(path=model, cache_dir=str(cache)))
    scores = classifier.raw_scores(np.full((*classifier.input_size, 3), 90, np.uint8))
    runtime = classifier.runtime
    classifier.close()
    return {"sum": float(scores.sum()), "runtime": runtime, "said": list(said)}


def left():
    "What is in the folder and should not be."
    files = [file for file in cache.rglob("*") if file.is_file()]
    for file in files:
        if file.suffix == ".tflite":
            sound = file.stem == hashlib.sha256(file.read_bytes()).hexdigest()
        elif file.suffix == ".weights":
            sound = file.with_name(file.name + ".sha256").read_text().strip() == _checksum(file)
        else:
            sound = file.suffix in (".sha256", ".verified") and file.stat().st_size > 0
        if not sound or file.name.startswith("."):
            yield file.name


for size in sys.argv[2].split(","):
    options = f"size={size}k,mode=700"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", cache], check=True)
    verifier._passed_here.clear()
    told = {"size": int(size)}
    for name in ("fast", "accurate"):
        told[name] = opened(f"flowers/{name}")
        told[name]["left"] = list(left())
    print(json.dumps(told), flush=True)
    subprocess.run(["umount", cache], check=True)
"""


@NEEDS_LITERT
def test_a_model_runs_however_small_the_disk(tmp_path: Path) -> None:
    """First start, then a reload with a larger model; a signal would end the program."""
    program = [sys.executable, "-c", PROGRAM, str(tmp_path), ",".join(map(str, SIZES))]
    result = subprocess.run(
        # Mounts of its own, where it may mount: root here, whoever it is outside.
        ["unshare", "--user", "--map-root-user", "--mount", *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [each["size"] for each in told] == list(SIZES)
    kept = 0
    for each in told:
        for name in ("fast", "accurate"):
            outcome = each[name]
            assert outcome["left"] == [], each
            assert outcome["sum"] == told[-1][name]["sum"], each
            # That there is no room is said once, and only then.
            mapped = outcome["runtime"] == "litert with mapped weights"
            assert len(outcome["said"]) == (0 if mapped else 1), each
            kept += mapped
    assert told[0]["fast"]["runtime"] == "litert"
    assert told[-1]["accurate"]["runtime"] == "litert with mapped weights"
    assert 2 <= kept < 2 * len(told)
