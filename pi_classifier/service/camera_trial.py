"""Opens a camera once and lets go of it again, to say beforehand whether a start would."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from contextlib import suppress

from pi_classifier.cameras import CameraSettings, camera_opener, opening_limit_s
from pi_classifier.cameras.recovery import Opener
from pi_classifier.cameras.video.network import password_is_elsewhere
from pi_classifier.errors import CameraBusy, CameraError, CameraTimeout
from pi_classifier.types import Camera

# Its network is sent into the sensor, which takes minutes.
_NOT_TRIED = "imx500"
_OURS = ("pi-classifier", "python", "this program itself")


def try_camera(settings: CameraSettings, model_size: tuple[int, int] | None) -> str:
    """Open the camera as the service does, and close it; return what is to be said of it.

    One that the running service holds is left alone, and this is said. Raises ConfigError,
    and CameraError when it cannot be opened, or is not within its time.
    """
    opener = camera_opener(settings, model_size)
    shown = settings.shown_source
    title = settings.title
    if shown.startswith(_NOT_TRIED):
        return f"{title}: {shown}, not tried, as it takes minutes to open"
    if password_is_elsewhere(settings.source):
        return f"{title}: {shown}, not tried, as only the service has its password"
    try:
        _opened_within(opener, opening_limit_s(settings)).close()
    except CameraBusy as error:
        if error.users and not any(user.startswith(_OURS) for user in error.users):
            raise
        by = ", ".join(error.users) or "another program, perhaps the service"
        return f"{title}: {shown}, not opened, as {by} uses it now"
    return f"{title}: {shown}, which can be opened"


def _opened_within(opener: Opener, limit_s: float) -> Camera:
    """Open a camera on a thread that is left behind where its driver hangs."""
    outcome: Future[Camera] = Future()

    def act() -> None:
        try:
            camera = opener()
        except BaseException as error:  # noqa: BLE001  raised again by who waits
            outcome.set_exception(error)
            return
        outcome.set_result(camera)

    threading.Thread(target=act, name="camera-trial", daemon=True).start()
    try:
        return outcome.result(limit_s)
    except CameraError:
        raise
    except TimeoutError:
        outcome.add_done_callback(_closed)
        raise CameraTimeout(
            f"the camera was not opened within {limit_s:g} s; its driver may hang"
        ) from None


def _closed(outcome: Future[Camera]) -> None:
    with suppress(Exception):
        outcome.result().close()
