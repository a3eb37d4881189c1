"""Whether the shipped models announce each scene of the emulated garden once and rightly.

    python -m benchmarks.garden --first 101 --seeds 15

Seeds 1 to 12 were in view when the accept threshold and `decision.threshold_high` were
chosen; figures on other seeds say more.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from statistics import fmean

from pi_classifier.cameras.emulated.camera import _schedule
from pi_classifier.cameras.emulated.scenes import BACKGROUND

FPS = 10
FRAMES = 300
_SUMMARY = re.compile(r"(\d+)% answered by the first stage, ([\d.]+) ms per frame")


@dataclass(frozen=True, slots=True)
class Tour:
    """What the real program said of one seed's scenes.

    `right` of the `flowers` scenes were announced once and rightly, `false` counts announcements
    on the `grounds` without any flower. `first_stage` is the share of frames that the first
    model answered, `ms` the mean time of a frame, `mistakes` are lines that say what went wrong.
    """

    flowers: int
    right: int
    grounds: int
    false: int
    first_stage: float
    ms: float
    mistakes: tuple[str, ...]


def tour(model: str, seed: int) -> Tour:
    """Show the garden of `seed` to the real program, as fast as it takes the frames."""
    options = ["--camera", "emulated", "--fast", "--json", "--no-speech", "--model", model]
    command = [sys.executable, "-m", "pi_classifier", "run", *options, "--summary"]
    done = subprocess.run(
        [*command, "--frames", str(FRAMES), "--seed", str(seed)],
        capture_output=True,
        check=True,
        text=True,
    )
    decisions = [json.loads(line) for line in done.stdout.splitlines()]
    announced = [(d["label"], d["sequence"]) for d in decisions if d["label"] is not None]
    told = _SUMMARY.search(done.stderr)
    first_stage, ms = (float(told[1]) / 100, float(told[2])) if told else (0.0, 0.0)
    scenes = list(_scenes(seed, announced))
    grounds = [said for _, label, said in scenes if label == BACKGROUND]
    flowers = [(label, said) for _, label, said in scenes if label != BACKGROUND]
    return Tour(
        len(flowers),
        sum(said == [label] for label, said in flowers),
        len(grounds),
        sum(map(len, grounds)),
        first_stage,
        ms,
        tuple(
            f"seed {seed}, {where}, {label}: announced {said}"
            for where, label, said in scenes
            if said != ([] if label == BACKGROUND else [label])
        ),
    )


def _scenes(seed: int, announced: list[tuple[str, int]]) -> Iterator[tuple[str, str, list[str]]]:
    """Every whole scene: its frames in words, its label and what was announced meanwhile."""
    for shot in takewhile(lambda shot: shot.end <= FRAMES, _schedule(seed, FPS)):
        said = [label for label, frame in announced if shot.start <= frame < shot.end]
        yield f"frames {shot.start}-{shot.end}", shot.scene.label, said


def together(tours: list[Tour]) -> Tour:
    """Several seeds as one."""
    return Tour(
        sum(t.flowers for t in tours),
        sum(t.right for t in tours),
        sum(t.grounds for t in tours),
        sum(t.false for t in tours),
        fmean(t.first_stage for t in tours),
        fmean(t.ms for t in tours),
        tuple(mistake for t in tours for mistake in t.mistakes),
    )


def main() -> None:
    """Print each mistake and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="flowers")
    parser.add_argument("--first", type=int, default=101, help="the first seed")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    whole = together([tour(options.model, seed) for seed in seeds])
    print(*whole.mistakes, sep="\n")
    share = whole.right / whole.flowers
    print(
        f"{whole.right} of {whole.flowers} flower scenes announced once and rightly ({share:.1%})"
    )
    print(f"{whole.false} announcements on {whole.grounds} scenes of empty ground")
    print(f"{whole.first_stage:.0%} answered by the first stage, {whole.ms:.1f} ms per frame")


if __name__ == "__main__":
    main()
