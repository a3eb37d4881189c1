"""Whether the shipped models announce each scene of the emulated garden once and rightly.

    python -m benchmarks.garden --first 101 --seeds 15

Seeds 1 to 12 were in view when the accept threshold and `decision.threshold_high` were
chosen; figures on other seeds say more.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import takewhile

from pi_classifier.cameras.emulated.camera import _schedule
from pi_classifier.cameras.emulated.scenes import BACKGROUND

FPS = 10
FRAMES = 300


def announcements(model: str, seed: int) -> Iterator[tuple[str, int]]:
    """Label and frame of each label the real program announces."""
    options = ["--camera", "emulated", "--fast", "--json", "--no-speech", "--model", model]
    command = [sys.executable, "-m", "pi_classifier", "run", *options]
    done = subprocess.run(
        [*command, "--frames", str(FRAMES), "--seed", str(seed)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    for line in done.stdout.splitlines():
        decision = json.loads(line)
        if decision["label"] is not None:
            yield decision["label"], decision["sequence"]


def main() -> None:
    """Print each mistake and the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="flowers")
    parser.add_argument("--first", type=int, default=101, help="the first seed")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds")
    options = parser.parse_args()
    flowers = right = grounds = false = 0
    for seed in range(options.first, options.first + options.seeds):
        announced = list(announcements(options.model, seed))
        for shot in takewhile(lambda shot: shot.end <= FRAMES, _schedule(seed, FPS)):
            label = shot.scene.label
            here = [each for each, frame in announced if shot.start <= frame < shot.end]
            wanted = [] if label == BACKGROUND else [label]
            if here != wanted:
                print(f"seed {seed}, frames {shot.start}-{shot.end}, {label}: announced {here}")
            grounds += label == BACKGROUND
            false += len(here) if label == BACKGROUND else 0
            flowers += label != BACKGROUND
            right += label != BACKGROUND and here == wanted
    print(f"{right} of {flowers} flower scenes announced once and rightly ({right / flowers:.1%})")
    print(f"{false} announcements on {grounds} scenes of empty ground")


if __name__ == "__main__":
    main()
