"""The real program under a service manager played by the test: what it is told, and when."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pi_classifier_training.modelfile.writer import write_model_file

REPOSITORY = Path(__file__).parents[2]
MODEL = REPOSITORY / "tests" / "data" / "int8.tflite"
OTHER_MODEL = REPOSITORY / "tests" / "data" / "float32.tflite"
CONFIGURATION = """
[model]
path = "{model}"
[camera]
source = "emulated"
fps = 20
width = 64
height = 48
timeout_s = 0.3
{camera}
[speech]
enabled = false
[jsonl]
path = "{folder}/decisions.jsonl"
{more}
"""


class Manager:
    """A notify socket, the program it belongs to, and all that it said so far."""

    def __init__(self, folder: Path, watchdog_s: float | None) -> None:
        self.folder = folder
        self.states: list[str] = []
        self.configuration = folder / "config.toml"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / "notify"))
        self._watchdog_s = watchdog_s
        self.process: subprocess.Popen[str] | None = None

    def configure(self, camera: str = "", more: str = "", model: Path = MODEL) -> None:
        self.configuration.write_text(
            CONFIGURATION.format(model=model, folder=self.folder, camera=camera, more=more)
        )

    def start(self, *packages: Path) -> None:
        """Start the program; it finds `packages` before those that are installed."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "PYTHONPATH": os.pathsep.join(map(str, (*packages, REPOSITORY))),
            "NOTIFY_SOCKET": str(self.folder / "notify"),
        }
        if self._watchdog_s is not None:
            environment["WATCHDOG_USEC"] = str(round(self._watchdog_s * 1e6))
        command = [sys.executable, "-m", "pi_classifier", "run", "--config"]
        self.process = subprocess.Popen(
            [*command, str(self.configuration)],
            env=environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def read(self, timeout_s: float = 20) -> list[str]:
        """Return the states of the next message, and remember them."""
        self._socket.settimeout(timeout_s)
        states = self._socket.recv(65536).decode().splitlines()
        self.states += states
        return states

    def wait_for(self, beginning: str, timeout_s: float = 20) -> str:
        """Return the next state that begins so."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            for state in self.read(max(0.1, deadline_s - time.monotonic())):
                if state.startswith(beginning):
                    return state

    def quiet_for(self, unwanted: str, quiet_s: float) -> None:
        """Listen for so long; fail when a state begins so."""
        deadline_s = time.monotonic() + quiet_s
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                states = self.read(left_s)
            except TimeoutError:
                return
            assert not [state for state in states if state.startswith(unwanted)]

    def signal(self, signum: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(signum)

    def ended(self) -> tuple[int, str]:
        """Return the exit code and what stood on stderr."""
        assert self.process is not None
        _, err = self.process.communicate(timeout=20)
        self._socket.setblocking(False)
        try:
            while True:
                self.states += self._socket.recv(65536).decode().splitlines()
        except BlockingIOError:
            return self.process.returncode, err

    def close(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
        self._socket.close()


Make = Callable[..., Manager]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Manager] = []

    def one(watchdog_s: float | None = None) -> Manager:
        made.append(Manager(tmp_path, watchdog_s))
        return made[-1]

    yield one
    for manager in made:
        manager.close()


def test_ready_comes_with_the_first_frame_and_the_end_is_announced(make: Make) -> None:
    manager = make()
    manager.configure()
    manager.start()
    manager.wait_for("READY=1")
    assert any(each.startswith("STATUS=Starting") for each in manager.states)
    assert any(each.startswith("EXTEND_TIMEOUT_USEC=") for each in manager.states)
    status = manager.wait_for("STATUS=I see")
    while "frames/s" not in status:
        status = manager.wait_for("STATUS=I see")
    assert "% by the first stage" in status
    manager.signal(signal.SIGTERM)
    code, err = manager.ended()
    assert code == 0, err
    assert manager.states.count("READY=1") == 1
    assert manager.states[manager.states.index("STOPPING=1") + 1] == "STATUS=Stopping, as asked"
    assert "WATCHDOG=1" not in manager.states


def test_not_ready_while_the_camera_is_missing_and_given_up_in_time(make: Make) -> None:
    manager = make()
    manager.configure(camera='faults = ["disappear@0"]\nrecovery_s = 2.0')
    manager.start()
    assert "disappeared" in manager.wait_for("STATUS=Waiting for the camera")
    code, err = manager.ended()
    assert code == 75
    assert "READY=1" not in manager.states
    assert "STOPPING=1" in manager.states
    assert "there is no camera" in manager.states[-1]
    assert "Traceback" not in err


def test_a_camera_that_comes_late_is_waited_for(make: Make) -> None:
    manager = make()
    manager.configure(camera='faults = ["disappear@0:2"]')
    manager.start()
    manager.wait_for("READY=1")
    assert any(each.startswith("STATUS=Waiting for the camera") for each in manager.states)


def test_the_watchdog_is_fed_by_frames_and_by_a_recovery_within_its_bound(make: Make) -> None:
    manager = make(watchdog_s=1.0)
    manager.configure(camera='faults = ["disappear@10:2"]')
    manager.start()
    manager.wait_for("READY=1")
    manager.wait_for("WATCHDOG=1")
    manager.wait_for("STATUS=Waiting for the camera")
    manager.wait_for("WATCHDOG=1")
    manager.wait_for("STATUS=I see")
    manager.wait_for("WATCHDOG=1")


def test_a_hang_starves_the_watchdog_and_is_logged(make: Make) -> None:
    manager = make(watchdog_s=2.0)
    manager.configure(camera='faults = ["hang@20"]')
    manager.start()
    manager.wait_for("READY=1")
    assert manager.process is not None
    assert manager.process.stderr is not None
    for line in manager.process.stderr:
        if "no frame has passed" in line:
            break
    else:
        pytest.fail("the hang was not logged")
    manager.quiet_for("never", 0.05)  # what was sent before
    manager.quiet_for("WATCHDOG=1", 2.0)
    manager.signal(signal.SIGABRT)
    code, err = manager.ended()
    assert code == -signal.SIGABRT
    assert "_hang" in err  # the stacks say where


def test_a_camera_granted_long_waits_asks_for_a_longer_watchdog(make: Make) -> None:
    manager = make(watchdog_s=1.0)
    manager.configure()
    manager.configuration.write_text(
        manager.configuration.read_text().replace("timeout_s = 0.3", "timeout_s = 4.0")
    )
    manager.start()
    assert manager.wait_for("WATCHDOG_USEC=") == "WATCHDOG_USEC=8100000"


def test_a_reload_takes_another_model_between_two_frames(make: Make) -> None:
    manager = make()
    manager.configure()
    manager.start()
    manager.wait_for("READY=1")
    manager.configure(more="[decision]\npatience = 2", model=OTHER_MODEL)
    manager.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    assert manager.states[-1].startswith("MONOTONIC_USEC=")
    manager.wait_for("READY=1")
    manager.signal(signal.SIGTERM)
    code, err = manager.ended()
    assert code == 0
    assert "reloaded: [model], [decision] changed; colors-float32 decides" in err
    assert ", 0 dropped)" in err


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("fps = 20", "fsp = 20", "fps"),
        ("int8.tflite", "int9.tflite", "int9.tflite"),
        ('"emulated"', '"pi"', "pi"),
        ("enabled = false", "", ""),
    ],
)
def test_a_reload_that_fails_changes_nothing(make: Make, old: str, new: str, problem: str) -> None:
    manager = make()
    manager.configure()
    manager.start()
    manager.wait_for("READY=1")
    text = manager.configuration.read_text()
    if problem:
        manager.configuration.write_text(text.replace(old, new))
    else:
        manager.configuration.unlink()
    manager.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    status = manager.wait_for("STATUS=Reload refused, the old configuration stays: ")
    assert problem in status
    manager.wait_for("STATUS=I see")
    manager.signal(signal.SIGTERM)
    code, err = manager.ended()
    assert code == 0
    assert "is refused, the old one stays in force" in err
    assert "reloaded" not in err


def test_a_reload_can_change_the_camera(make: Make) -> None:
    manager = make()
    manager.configure()
    manager.start()
    manager.wait_for("READY=1")
    manager.configure(camera="seed = 5")
    manager.signal(signal.SIGHUP)
    manager.wait_for("RELOADING=1")
    manager.wait_for("READY=1")
    manager.wait_for("STATUS=I see")
    manager.signal(signal.SIGTERM)
    code, err = manager.ended()
    assert code == 0
    assert "reloaded: [camera] changed" in err


def test_a_configuration_error_is_the_last_status_and_exits_with_78(make: Make) -> None:
    manager = make()
    manager.configure(more="[decision]\npatience = 0\nthresold_high = 1")
    manager.start()
    code, err = manager.ended()
    assert code == 78
    assert "READY=1" not in manager.states
    assert "decision.patience" in manager.states[-1]
    assert "decision.thresold_high = 1: no such setting" in manager.states[-1]
    assert "Traceback" not in err


LYING_RUNTIME = """
import os, signal, sys, time
import numpy as np

class Interpreter:
    "Runs any model of the tests; what a file's name says of the runtime comes true."

    def __init__(self, model_path, num_threads, experimental_delegates):
        with open(model_path, "rb") as file:
            content = file.read()
        self._tensors = {0: np.zeros((1, 16, 16, 3), np.uint8), 1: np.ones((1, 4), np.uint8)}
        for word in ("SIGSEGV", "SIGABRT", "SIGFPE"):
            if f"ends with {word}".encode() in content:
                print("ERROR: a shape that cannot be", file=sys.stderr, flush=True)
                os.kill(os.getpid(), getattr(signal, word))
        if b"takes all memory" in content:
            self._hoard = [bytearray(64 << 20) for _ in range(10_000)]
        if b"refuses to run" in content:
            raise RuntimeError("tensor 3 has\\nno type")
        if b"gets lost" in content:
            raise LookupError("no such operator")

    def allocate_tensors(self): ...
    def invoke(self): ...
    def get_input_details(self): return [{"index": 0}]
    def get_output_details(self): return [{"index": 1}]
    def tensor(self, index): return lambda: self._tensors[index]
"""
LIES = {
    "ends with SIGSEGV": 'SIGSEGV when it was tried (its last words: "a shape that cannot be")',
    "ends with SIGABRT": "ended the runtime with SIGABRT",
    "ends with SIGFPE": "ended the runtime with SIGFPE",
    "takes all memory": "takes more memory than this computer can give it",
    "refuses to run": "tflite cannot run this model (tensor 3 has no type)",
    "gets lost": "LookupError: no such operator",
}


def test_models_that_lie_are_refused_in_a_reload_and_no_frame_is_lost(
    make: Make, tmp_path: Path
) -> None:
    runtime = tmp_path / "packages" / "tflite_runtime"
    runtime.mkdir(parents=True)
    (runtime / "__init__.py").write_text("__version__ = '1'\n")
    (runtime / "interpreter.py").write_text(LYING_RUNTIME)
    bare = (REPOSITORY / "tests" / "data" / "bare.tflite").read_bytes()
    models = {}
    for number, name in enumerate(("honest", *LIES)):
        models[name] = tmp_path / f"{number}.tflite"
        models[name].write_bytes(write_model_file(bare, ["a", "b", "c", "d"], {"name": name}))
    manager = make()
    manager.configure(model=models["honest"])
    kept = manager.configuration.read_text().replace("[model]", '[model]\nruntime = "tflite"')
    manager.configuration.write_text(kept)
    manager.start(runtime.parent)
    manager.wait_for("READY=1")
    for name, reason in LIES.items():
        lying = kept.replace(str(models["honest"]), str(models[name]))
        manager.configuration.write_text(lying)
        manager.signal(signal.SIGHUP)
        status = manager.wait_for("STATUS=Reload refused, the old configuration stays: ", 60)
        assert str(models[name]) in status
        assert reason in status
        manager.wait_for("STATUS=I see")
    manager.signal(signal.SIGTERM)
    code, err = manager.ended()
    assert code == 0, err
    assert ", 0 dropped)" in err
    assert "Traceback" not in err
    assert not list(manager.folder.rglob(".partial-*"))


def test_a_model_that_can_never_run_is_not_started_again(make: Make, tmp_path: Path) -> None:
    model = tmp_path / "model.tflite"
    model.write_bytes(MODEL.read_bytes()[:5000])
    manager = make()
    manager.configure(model=model)
    manager.start()
    code, _ = manager.ended()
    assert code == 78
    assert manager.states[-1].startswith(f"STATUS={model}: ")
