"""The child process that turns text into a WAV file: the only module that imports pyttsx3.

Run as ``python -m pi_classifier.speech.engines.pyttsx3_child FILE VOICE RATE VOLUME`` with
the text on stdin; FILE exists already. pyttsx3's own playing cannot be interrupted,
loses the failures of the player and deadlocks between threads; its synthesis of one
utterance is sound. In a process of its own it can be killed, and a crash of the engine
takes nothing along.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from typing import Any

EXIT_NO_PYTTSX3 = 3
EXIT_NO_ENGINE = 4
EXIT_NO_VOICE = 5
EXIT_NO_SOUND = 6

_DRIVER_RATE_WPM = 200  # what pyttsx3's driver sets first, other than espeak-ng's own 175
_SET_UP_S = 0.5
_SETTLE_S = 0.005


def main(arguments: list[str]) -> int:
    """Synthesize one utterance; on failure explains itself on stderr and by the exit status."""
    path, voice, rate_wpm, volume = arguments
    text = sys.stdin.buffer.read().decode("utf-8")
    try:
        import pyttsx3
    except ImportError as error:
        return _fail(EXIT_NO_PYTTSX3, error)
    try:
        engine = pyttsx3.init("espeak")
    except Exception as error:  # noqa: BLE001  pyttsx3 raises whatever its driver meets
        return _fail(EXIT_NO_ENGINE, error)
    errors: list[Exception] = []
    finished = threading.Event()
    engine.connect("error", lambda name, exception: errors.append(exception))  # noqa: ARG005
    engine.connect("finished-utterance", lambda name, completed: finished.set())  # noqa: ARG005
    try:
        _set_up(engine.proxy._driver, voice, int(rate_wpm), float(volume))  # noqa: SLF001
    except Exception as error:  # noqa: BLE001  as above
        return _fail(EXIT_NO_VOICE, error)
    engine.save_to_file(text, path)
    engine.runAndWait()
    if errors:
        return _fail(EXIT_NO_VOICE, errors[0])
    # pyttsx3 2.99 has waited 10 ms, whatever espeak-ng's thread may need; the parent
    # process ends this one where the end never comes.
    finished.wait()
    return 0 if os.stat(path).st_size else EXIT_NO_SOUND  # noqa: PTH116  pathlib costs 5 ms


def _set_up(driver: Any, voice: str, rate_wpm: int, volume: float) -> None:
    """Set voice, rate and volume one after the other, each when the one before is done.

    A voice is set at once, the rest by espeak-ng's own thread. Set in one go, as the engine
    does, one phrase in ten or fifty is spoken at the driver's usual rate on a busy computer
    (pyttsx3 2.99, espeak-ng 1.51), so the driver is asked directly.
    """
    _wait_until(driver, _DRIVER_RATE_WPM)
    if voice:
        driver.setProperty("voice", voice)
    driver.setProperty("volume", volume)
    driver.setProperty("rate", rate_wpm)
    _wait_until(driver, rate_wpm)


def _wait_until(driver: Any, rate_wpm: int) -> None:
    deadline_s = time.monotonic() + _SET_UP_S
    while driver.getProperty("rate") != rate_wpm and time.monotonic() < deadline_s:
        time.sleep(0.001)
    time.sleep(_SETTLE_S)


def _fail(status: int, error: Exception) -> int:
    sys.stderr.write(f"{error}\n")
    return status


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stderr.flush()
    # Past the engine's own clean-up, which has been seen to abort.
    os._exit(status)
