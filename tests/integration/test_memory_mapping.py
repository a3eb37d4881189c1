"""The model's bytes are the file's pages, not copies; /proc/self/smaps is the witness."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pi_classifier.inference.interpreter import installed_runtimes
from tests.needs import NEEDS_LITERT

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
LARGE = ROOT.parent / "shared" / "models" / "mobilenet_v2_1.0_224_quant.tflite"

PROGRAM = """
import json, re, sys
from pathlib import Path
import numpy as np
from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings
from pi_classifier.inference.interpreter import _try_import

path, runtime, cache = sys.argv[1:]

def smaps():
    "Kilobytes by mapped file; those that belong to no file are under ''."
    totals, name = {}, ""
    for line in Path("/proc/self/smaps").read_text().splitlines():
        head = re.match(r"[0-9a-f]+-[0-9a-f]+ \\S+ \\S+ \\S+ \\S+ *(.*)", line)
        if head:
            name = head[1] if head[1].startswith("/") else ""
        else:
            key, value = line.split(":", 1)
            if key in ("Rss", "Anonymous", "Private_Dirty"):
                mine = totals.setdefault(name, {})
                mine[key] = mine.get(key, 0) + int(value.split()[0])
    return totals

def anonymous():
    return sum(each["Anonymous"] for each in smaps().values())

_try_import(runtime)
before = anonymous()
classifier = open_model(Path(path), ModelSettings(runtime=runtime, cache_dir=cache))
classifier.raw_scores(np.zeros((*classifier.input_size, 3), np.uint8))
after = smaps()
files = {name: each for name, each in after.items() if name.endswith((".tflite", ".weights"))}
print(json.dumps({"grown": anonymous() - before, "files": files}))
"""


def measure(path: Path, runtime: str, cache: Path | None) -> dict[str, Any]:
    """Load and run a model in a process of its own; kilobytes."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), runtime, str(cache or "")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    measured: dict[str, Any] = json.loads(result.stdout)
    return measured


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_the_model_is_mapped_and_stays_so(tmp_path: Path, runtime: str) -> None:
    """The copy in the cache folder; without one the file itself."""
    model = DATA / "float32.tflite"
    for cache in (None, tmp_path):
        files = measure(model, runtime, cache)["files"]
        (mapped,) = (name for name in files if name.endswith(".tflite"))
        assert Path(mapped).parent == (DATA if cache is None else tmp_path / "models")
        assert files[mapped]["Rss"] >= 12
        assert files[mapped]["Anonymous"] == files[mapped]["Private_Dirty"] == 0


@NEEDS_LITERT
def test_packed_weights_are_mapped_too(tmp_path: Path) -> None:
    for _ in ("packed just now", "used again"):
        files = measure(DATA / "float32.tflite", "litert", tmp_path)["files"]
        (weights,) = tmp_path.glob("*.weights")
        mapped = files[str(weights)]
        assert mapped["Rss"] * 1024 >= weights.stat().st_size
        assert mapped["Anonymous"] == mapped["Private_Dirty"] == 0


@NEEDS_LITERT
@pytest.mark.skipif(not LARGE.is_file(), reason=f"{LARGE} IS MISSING: memory saving untested")
def test_packed_weights_no_longer_take_private_memory(tmp_path: Path) -> None:
    """MobileNet v2: 3.5 MB of weights. CompiledModel itself takes 2 MB more than Interpreter."""
    measure(LARGE, "litert", tmp_path)
    without, cached = measure(LARGE, "litert", None), measure(LARGE, "litert", tmp_path)
    (weights,) = tmp_path.glob("*.weights")
    assert cached["files"][str(weights)]["Rss"] > 3000
    assert cached["grown"] < without["grown"] - 500


OVERWRITTEN = """
import os, sys, threading
from pathlib import Path
import numpy as np
from pi_classifier.errors import PiClassifierError
from pi_classifier.inference.classifier import open_model
from pi_classifier.inference.settings import ModelSettings

path, runtime, cache, first, second = sys.argv[1:]
contents = [Path(first).read_bytes(), Path(second).read_bytes()]
settings = ModelSettings(runtime=runtime, cache_dir=cache)
pixels = np.full((16, 16, 3), (0, 200, 200), np.uint8)

def write(content):
    "In place, as `cp` does: cut short first."
    with open(path, "wb") as file:
        for at in range(0, len(content), 1000):
            file.write(content[at : at + 1000])
            file.flush()

write(contents[0])
running = open_model(Path(path), settings)
expected = running.raw_scores(pixels).tolist()
done = threading.Event()

def go_on():
    while not done.is_set():
        for content in contents:
            write(content)

writer = threading.Thread(target=go_on)
writer.start()
for _ in range(12):
    try:
        open_model(Path(path), settings).close()
    except (PiClassifierError, OSError):
        pass  # half of a file is none
    assert running.raw_scores(pixels).tolist() == expected
done.set()
writer.join()
os.truncate(path, 0)
assert running.raw_scores(pixels).tolist() == expected
running.close()
"""


@pytest.mark.parametrize("runtime", installed_runtimes())
def test_a_file_that_is_overwritten_harms_nothing(tmp_path: Path, runtime: str) -> None:
    """While it runs, and while it is opened: a mapped file that was cut short is SIGBUS."""
    command = [sys.executable, "-c", OVERWRITTEN, str(tmp_path / "model.tflite"), runtime]
    models = [str(DATA / "float32.tflite"), str(DATA / "uint8.tflite")]
    ended = subprocess.run(
        [*command, str(tmp_path / "cache"), *models],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
