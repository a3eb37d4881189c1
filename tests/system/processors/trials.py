"""What is tried at a place: scores, the demo, the tests, the Debian package."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from . import frames, scores
from .comparing import Difference, difference
from .emulation import REPOSITORY, Emulation, EmulationError, native
from .emulation import SHARED as SHARED_INSIDE
from .machines import Processor
from .places import ROUNDED, SHARED, SHIPPED, TINY, Place
from .userlands import configured

_SCORES = "tests.system.processors.scores"
# Loads every library that the daemon meets on a Pi without network, screen or sound.
_UNIT = "tests/unit/pi_classifier"
TESTS = (
    # Arithmetic on pixels, scores and weights, in numpy and in the runtimes; files as bytes:
    # order, alignment, mapping, checksums, the processor's name.
    *(f"{_UNIT}/preprocessing/test_preprocessor.py", f"{_UNIT}/inference"),
    *("tests/contract/test_classifier_contract.py", "tests/integration/test_interpreter.py"),
    *(f"{_UNIT}/modelfile/test_{name}.py" for name in ("flatbuffer", "model_file", "labels")),
    # Time, threads and drawing.
    *(f"{_UNIT}/test_{name}.py" for name in ("decision", "gate", "pipeline")),
    *(f"{_UNIT}/cameras/test_cameras.py", f"{_UNIT}/cameras/emulated"),
    f"{_UNIT}/cameras/test_recovery.py",
)


@dataclass(frozen=True, slots=True)
class Lines:
    """What the demo said here and there, one JSON line a decision."""

    here: tuple[str, ...]
    there: tuple[str, ...]

    @property
    def same_decisions(self) -> bool:
        """Whether labels, frames, models and stages are equal, whatever scores and clocks."""
        return [_decision(line) for line in self.here] == [_decision(line) for line in self.there]

    @property
    def largest(self) -> float:
        """The largest difference of a score."""
        pairs = zip(self.here, self.there, strict=True)
        return max((abs(_score(a) - _score(b)) for a, b in pairs), default=0.0)


def _decision(line: str) -> dict[str, object]:
    measured = ("score", "time", "latency_ms")
    return {key: value for key, value in json.loads(line).items() if key not in measured}


def _score(line: str) -> float:
    return float(json.loads(line)["score"])


class Scoring:
    """Shows the same pictures to all models, here and elsewhere."""

    def __init__(self, count: int, folder: Path = SHARED) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._pictures = frames.garden(count, folder)
        self._patches = frames.patches(max(count, 100), folder)
        output = folder / "here.npz"
        words = [str(output), str(self._pictures), *_models((*SHIPPED, ROUNDED))]
        done = native(
            *(sys.executable, "-m", _SCORES, "--runtime", "litert", "--output", *words),
            *(str(self._patches), *_models(TINY)),
        )
        if done.returncode != 0:
            raise EmulationError(f"scores could not be had here:\n{done.stderr}")
        self._here = scores.read(output)

    def at(self, place: Place, most: int) -> list[Difference]:
        """Compare on at most `most` pictures; EmulationError where a model cannot be run."""
        done = place.emulation(self._folder).run(
            *(place.userland.interpreter, "-m", _SCORES, "--runtime", place.runtime),
            *("--most", str(most)),
            *("--output", "/shared/there.npz", f"/shared/{self._pictures.name}"),
            *(*_models((*SHIPPED, ROUNDED)), f"/shared/{self._patches.name}", *_models(TINY)),
        )
        if done.returncode != 0:
            raise EmulationError(f"{place.name}: exit code {done.returncode}\n{done.stderr}")
        there = scores.read(self._folder / "there.npz")
        return [difference(a, b) for a, b in zip(self._here, there, strict=True)]


def _models(paths: Sequence[Path]) -> Iterator[str]:
    return (str(path.relative_to(REPOSITORY)) for path in paths)


def demo(place: Place, count: int) -> Lines:
    """What `pi-classifier run` says of `count` frames of the emulated camera.

    Raises EmulationError.
    """
    words = (
        *("-m", "pi_classifier", "run", "--camera", "emulated", "--frames", str(count)),
        *("--fast", "--no-speech", "--json", "--model", "models/flowers/cascade.toml", "--set"),
    )
    here = native(sys.executable, *words, "model.runtime=litert")
    there = place.emulation().run(
        place.userland.interpreter, *words, f"model.runtime={place.runtime}"
    )
    for done, name in ((here, "here"), (there, place.name)):
        if done.returncode != 0:
            raise EmulationError(f"{name}: exit code {done.returncode}\n{done.stderr}")
    return Lines(tuple(here.stdout.splitlines()), tuple(there.stdout.splitlines()))


def device_tests(place: Place, chosen: Sequence[str]) -> str:
    """Run the device's part of the tests; return pytest's last line. Raises EmulationError."""
    userland = replace(place.userland, tests=True)
    environment = {
        **userland.environment,
        "HYPOTHESIS_STORAGE_DIRECTORY": f"{SHARED_INSIDE}/hypothesis",
    }
    emulation = Emulation(userland.made(), place.processor, SHARED, environment)
    done = emulation.run(
        *(userland.interpreter, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen),
        merged=True,
    )
    if done.returncode != 0:
        raise EmulationError(f"{place.name}: tests failed\n{done.stdout[-6000:]}")
    return done.stdout.splitlines()[-1]


_PACKAGE = """
set -eu
dpkg --install /shared/package.deb
test "$(dpkg-query -W -f '${Status}' pi-classifier)" = 'install ok installed'
cd /
echo ---
pi-classifier run --camera emulated --frames 40 --fast --no-speech --json
# Mapped weights work there: nothing was packed that cannot be loaded on this processor.
find / -xdev -name '*.weights' | grep -q .
"""


def package(suite: str, processor: Processor, deb: Path) -> list[str]:
    """Install the package with dpkg in a whole Debian, run it; return the decisions' lines.

    Raises EmulationError.
    """
    SHARED.mkdir(parents=True, exist_ok=True)
    shutil.copy(deb, SHARED / "package.deb")
    emulation = Emulation(configured(suite, processor.architecture), processor, SHARED)
    done = emulation.run("sh", "-c", _PACKAGE)
    installed, _, said = done.stdout.partition("---\n")
    if done.returncode != 0:
        raise EmulationError(
            f"{deb.name} in {suite}: exit code {done.returncode}\n{installed}{done.stderr}"
        )
    return said.splitlines()
