"""The real program as a subprocess, in a home of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[2]
Start = Callable[..., "AbstractContextManager[subprocess.Popen[str]]"]
Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start `pi-classifier ARGUMENTS…` with both streams piped; killed on leaving."""

    @contextmanager
    def popen(*arguments: object) -> Iterator[subprocess.Popen[str]]:
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "error::ResourceWarning",
        }
        with subprocess.Popen(
            [sys.executable, "-m", "pi_classifier", *(str(each) for each in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env=environment,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    return popen


@pytest.fixture
def program(start: Start) -> Program:
    """Run `pi-classifier ARGUMENTS…` to its end."""

    def run(*arguments: object, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        with start(*arguments) as process:
            out, err = process.communicate(timeout=timeout_s)
        assert "Traceback" not in err, err
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    return run


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of photos the test model knows: cyan, gray, magenta, gray, yellow, gray."""
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(1)
    colors = {"cyan": (0, 200, 200), "magenta": (200, 0, 200), "yellow": (200, 200, 0)}
    for number, (label, color) in enumerate(colors.items()):
        for place, shown in (
            (f"{number}-first-{label}", color),
            (f"{number}-then-none", (90, 90, 90)),
        ):
            noisy = np.asarray(shown) + rng.normal(0, 10, (48, 64, 3))
            picture = Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
            picture.save(folder / f"{place}.png")
    return folder
