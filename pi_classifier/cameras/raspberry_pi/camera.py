"""The Raspberry Pi camera, through picamera2.

The ISP scales frames to the model's size; each is copied once out of the camera's memory
while its request is held. Every wait has a limit, and a fault is only told, never repaired
here: see `recovery`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.playback import Clock, SystemClock
from pi_classifier.cameras.raspberry_pi import diagnosis
from pi_classifier.cameras.raspberry_pi import picamera2_api as library
from pi_classifier.cameras.raspberry_pi.device import PiDevice
from pi_classifier.cameras.raspberry_pi.pixels import Numbering, PixelReader, Pixels
from pi_classifier.cameras.raspberry_pi.stream_plan import (
    START_FPS,
    WHOLE,
    Plan,
    crop_for,
    make_plan,
    wanted_controls,
)
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.errors import CameraClosed, CameraError, CameraTimeout
from pi_classifier.types import Frame

_logger = logging.getLogger(__name__)

ReadScores: TypeAlias = Callable[[Mapping[str, Any]], NDArray[np.float32] | None]
"""From a frame's metadata to the sensor's own scores, if it has any for this frame."""

# Three buffers are the fewest that lose no frame; each is memory that small Pis lack.
_BUFFERS = 3
_SETTLING_FRAMES = 10
_CONVERGED = 2  # libcamera's AeStateEnum
_CONDITIONS = {
    "Lux": "lux",
    "ExposureTime": "exposure_us",
    "AnalogueGain": "gain",
    "ColourTemperature": "colour_temperature_k",
    "LensPosition": "focus_dioptres",
    "SensorTemperature": "sensor_temperature_c",
}


class PiCamera:
    """One camera of a Raspberry Pi, open and running.

    `choice` is a number, a sensor's name or libcamera's id; "" is the first. `model_size`
    is the (height, width) the ISP scales frames to; without it frames are pictures of
    the configured size. `read_scores` gets them out of the metadata of a sensor that
    classifies by itself; frames without any are left out. Raises CameraUnavailable with
    cause and cure, and ConfigError for a size or control the camera does not have.
    """

    def __init__(
        self,
        settings: CameraSettings,
        choice: str = "",
        model_size: tuple[int, int] | None = None,
        *,
        clock: Clock | None = None,
        read_scores: ReadScores | None = None,
    ) -> None:
        self._settings = settings
        self._stopped = threading.Event()
        self._closed = False
        self._reading = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._settling = 0
        self._numbering = Numbering(round(1e9 / settings.fps))
        self._wish: Future[Pixels] | None = None
        self.info = library.chosen_camera(choice)
        self._read_scores = read_scores
        self._clock = clock or SystemClock()
        self._device = PiDevice(self.info.number, self._name, self._clock)
        try:
            self._configure(model_size)
            self._start()
        except Exception as error:
            self._device.close()
            raise diagnosis.explained(error, "starting it") from error

    @property
    def conditions(self) -> Mapping[str, float]:
        """What the camera says of the last frame: light, exposure, focus, its temperature."""
        known = self._metadata
        return {ours: known[name] for name, ours in _CONDITIONS.items() if name in known}

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop`.

        Raises CameraClosed after `close`, CameraTimeout, CameraError.
        """
        self._check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good; may be called from any thread."""
        self._stopped.set()

    def restart(self) -> None:
        """Cancel what waits, and start the stream again; raises CameraError."""
        self._check_open()
        try:
            self._device.stop()
            self._start()
        except Exception as error:
            raise diagnosis.explained(error, "starting it again") from error

    def close(self) -> None:
        """End the frames and free the camera; a second call does nothing."""
        self._closed = True
        self._stopped.set()
        self._device.close()

    def picture(self, timeout_s: float = 5.0) -> Pixels:
        """Return the picture of the next frame, uint8 RGB ``[height, width, 3]``, read-only.

        For any thread, while another one reads the frames. Raises CameraTimeout.
        """
        self._check_open()
        wish: Future[Pixels] = Future()
        self._wish = wish
        try:
            return wish.result(timeout_s)
        except TimeoutError:
            raise CameraTimeout(f"{self._name}: no picture within {timeout_s:g} s") from None

    @property
    def _name(self) -> str:
        return f'camera "pi" ({self.info.model})'

    def _check_open(self) -> None:
        if self._closed:
            raise CameraClosed(f"{self._name}: the camera is closed; open it again to use it")

    # -- starting

    def _configure(self, model_size: tuple[int, int] | None) -> None:
        device, settings = self._device.picamera, self._settings
        pixel_array = device.camera_properties["PixelArraySize"]
        plan = make_plan(
            settings, model_size, self.info.model, pixel_array, rgb_lores=library.is_pisp()
        )
        controls = wanted_controls(settings, device.camera_controls)
        library.configure(device, plan, _BUFFERS)
        made = device.camera_configuration()
        if settings.roi != WHOLE:
            controls |= self._crop(made)
        self._controls = controls
        self._stream = plan.frames
        turns, asked = plan.quarter_turns, plan.lores or plan.main
        self._read = _reader(made[plan.frames], asked, turns, plan.shape)
        self._read_picture = _reader(
            made["main"], plan.main, turns, (settings.height, settings.width)
        )
        self._say(plan, made)

    def _crop(self, made: Mapping[str, Any]) -> dict[str, Any]:
        advertised = self._device.picamera.camera_controls
        if "ScalerCrop" not in advertised:
            raise CameraError(f"{self._name}: cannot look at a part only; remove camera.roi")
        whole = advertised["ScalerCrop"][1]
        sizes = [made[name]["size"] for name in ("main", "lores") if made.get(name)]
        crops = [crop_for(self._settings.roi, whole, size) for size in sizes]
        if "ScalerCrops" in advertised:  # Pi 5: each stream its own
            return {"ScalerCrops": crops}
        return {"ScalerCrop": crops[0]}

    def _say(self, plan: Plan, made: Mapping[str, Any]) -> None:
        size, readout = made[plan.frames]["size"], made["sensor"]["output_size"]
        _logger.info(
            "%s: frames of %dx%d in %s, from the sensor's %dx%d%s",
            self._name,
            *size,
            made[plan.frames]["format"],
            *readout,
            "" if plan.known_sensor else " (not a known sensor: perhaps a part of its view)",
        )
        limits = self._device.picamera.camera_controls.get("FrameDurationLimits")
        if limits is not None and self._settings.fps > 1.01e6 / limits[0]:
            _logger.warning(
                "%s: gives %.0f frames per second with its full view, not the %g of camera.fps",
                self._name,
                1e6 / limits[0],
                self._settings.fps,
            )

    def _start(self) -> None:
        fps = self._settings.fps
        automatic = self._settings.exposure_us is None or self._settings.gain is None
        self._settling = _SETTLING_FRAMES if automatic else 0
        start_fps = max(fps, START_FPS) if self._settling else fps
        self._device.picamera.set_controls(self._controls)
        self._set_rate(start_fps)
        self._device.picamera.start()

    def _set_rate(self, fps: float) -> None:
        if "FrameDurationLimits" in self._device.picamera.camera_controls:
            self._device.picamera.set_controls({"FrameRate": fps})

    def _settled(self, known: Mapping[str, Any]) -> bool:
        """Whether exposure control has had its time; then frames come as slowly as wanted."""
        if not self._settling:
            return True
        self._settling -= 1
        if known.get("AeLocked") or known.get("AeState") == _CONVERGED:
            self._settling = 0
        if self._settling:
            return False
        if self._settings.fps < START_FPS:
            self._set_rate(self._settings.fps)
        return True

    # -- frames

    def _frames(self) -> Iterator[Frame]:
        if not self._reading.acquire(blocking=False):
            raise CameraError(
                f"{self._name}: another consumer reads its frames; "
                "read them in one place and pass them on"
            )
        limit_s = self._settings.timeout_s + 1 / self._settings.fps
        deadline_s = self._clock.now_s() + limit_s
        try:
            while True:
                self._check_open()
                request = self._device.next_request(limit_s, self._stopped)
                if request is None:
                    self._check_open()
                    return
                try:
                    frame = self._frame(request)
                except Exception as error:
                    self._check_open()  # closed by another thread meanwhile
                    raise diagnosis.explained(error, "taking a frame") from error
                finally:
                    request.release()
                if frame is not None:
                    yield frame
                    deadline_s = self._clock.now_s() + limit_s
                elif self._clock.now_s() > deadline_s:
                    raise CameraTimeout(f"{self._name}: only damaged frames for {limit_s:g} s")
        finally:
            self._reading.release()

    def _frame(self, request: Any) -> Frame | None:
        """Copy a frame out of its request; None for one that nobody wants."""
        known = request.get_metadata()
        if not library.is_sound(request) or not self._settled(known):
            return None
        scores = None if self._read_scores is None else self._read_scores(known)
        if scores is None and self._read_scores is not None:
            return None
        timestamp_ns = int(known.get("SensorTimestamp") or time.monotonic_ns())
        duration_ns = int(known.get("FrameDuration") or 0) * 1000
        sequence = self._numbering.place(timestamp_ns, duration_ns)
        if sequence is None:
            return None
        self._metadata = known
        if self._wish is not None:
            wish, self._wish = self._wish, None
            wish.set_result(self._device.copied(request, "main", self._read_picture))
        pixels = self._device.copied(request, self._stream, self._read)
        return Frame(pixels, sequence, timestamp_ns, scores=scores)


def _reader(
    made: Mapping[str, Any], asked: Mapping[str, Any], turns: int, shape: tuple[int, int]
) -> PixelReader:
    # a size that the ISP cannot do became another: no part of that, but all of it
    cut = shape if made["size"] == asked["size"] else None
    return PixelReader(made["format"], made["size"], made["stride"], turns, cut)
