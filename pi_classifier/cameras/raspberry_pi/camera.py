"""The Raspberry Pi camera, through picamera2.

The ISP scales frames to the model's size; each is copied once out of the camera's memory
while its request is held. Every wait has a limit, and a fault is only raised, never repaired
here: see `recovery`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.raspberry_pi import diagnosis, picamera2_api
from pi_classifier.cameras.raspberry_pi.device import PiDevice
from pi_classifier.cameras.raspberry_pi.pixels import FrameNumbering, PixelReader
from pi_classifier.cameras.raspberry_pi.stream_plan import (
    START_FPS,
    StreamPlan,
    crop_for,
    make_plan,
    wanted_controls,
)
from pi_classifier.cameras.settings import WHOLE, CameraSettings
from pi_classifier.cameras.stream import Clock, StreamState, SystemClock
from pi_classifier.errors import CameraError, CameraTimeout
from pi_classifier.preprocessing.area_average import Pixels
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
        self._metadata: dict[str, Any] = {}
        self._settling = 0
        self._numbering = FrameNumbering(round(1e9 / settings.fps))
        self._picture: Future[Pixels] | None = None  # for who waits in `picture`
        self.info = picamera2_api.chosen_camera(choice)
        self._state = StreamState(self._name)
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
        metadata = self._metadata
        return {ours: metadata[name] for name, ours in _CONDITIONS.items() if name in metadata}

    def frames(self) -> Iterator[Frame]:
        """Yield frames until `stop`.

        Raises CameraClosed after `close`, CameraTimeout, CameraError.
        """
        self._state.check_open()
        return self._frames()

    def stop(self) -> None:
        """End the frames for good; may be called from any thread."""
        self._state.stop()

    def restart(self) -> None:
        """Cancel what waits, and start the stream again; raises CameraError."""
        self._state.check_open()
        try:
            self._device.stop()
            self._start()
        except Exception as error:
            raise diagnosis.explained(error, "starting it again") from error

    def close(self) -> None:
        """End the frames and free the camera; a second call does nothing."""
        self._state.close()
        self._device.close()

    def picture(self, timeout_s: float = 5.0) -> Pixels:
        """Return the picture of the next frame, uint8 RGB ``[height, width, 3]``, read-only.

        For any thread, while another one reads the frames. Raises CameraTimeout.
        """
        self._state.check_open()
        picture: Future[Pixels] = Future()
        self._picture = picture
        try:
            return picture.result(timeout_s)
        except TimeoutError:
            raise CameraTimeout(f"{self._name}: no picture within {timeout_s:g} s") from None

    @property
    def _name(self) -> str:
        return f'camera "pi" ({self.info.model})'

    # -- starting

    def _configure(self, model_size: tuple[int, int] | None) -> None:
        device, settings = self._device.picamera, self._settings
        pixel_array = device.camera_properties["PixelArraySize"]
        plan = make_plan(
            settings, model_size, self.info.model, pixel_array, rgb_lores=picamera2_api.is_pisp()
        )
        controls = wanted_controls(settings, device.camera_controls)
        picamera2_api.configure(device, plan, _BUFFERS)
        configured = device.camera_configuration()
        if settings.roi != WHOLE:
            controls |= self._crop(configured, plan.quarter_turns)
        self._controls = controls
        self._stream = plan.frames
        turns, asked = plan.quarter_turns, plan.lores or plan.main
        self._read = _reader(configured[plan.frames], asked, turns, plan.shape)
        self._read_picture = _reader(
            configured["main"], plan.main, turns, (settings.height, settings.width)
        )
        self._log_streams(plan, configured)

    def _crop(self, configured: Mapping[str, Any], turns: int) -> dict[str, Any]:
        advertised = self._device.picamera.camera_controls
        if "ScalerCrop" not in advertised:
            raise CameraError(f"{self._name}: cannot crop its picture; remove camera.roi")
        whole = advertised["ScalerCrop"][1]
        sizes = [configured[name]["size"] for name in ("main", "lores") if configured.get(name)]
        seen = Orientation(quarter_turns=turns, region=self._settings.roi)
        region = seen.unturned_region()  # what is turned here is cut before
        crops = [crop_for(region, whole, size) for size in sizes]
        if "ScalerCrops" in advertised:  # Pi 5: each stream its own
            return {"ScalerCrops": crops}
        return {"ScalerCrop": crops[0]}

    def _log_streams(self, plan: StreamPlan, configured: Mapping[str, Any]) -> None:
        size, readout = configured[plan.frames]["size"], configured["sensor"]["output_size"]
        _logger.info(
            "%s: frames of %dx%d in %s, from the sensor's %dx%d%s",
            self._name,
            *size,
            configured[plan.frames]["format"],
            *readout,
            "" if plan.known_sensor else " (unknown sensor: perhaps not its full view)",
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

    def _settled(self, metadata: Mapping[str, Any]) -> bool:
        """Whether exposure control has converged; then frames come as slowly as wanted.

        The first frames come at `START_FPS` and are left out: exposure control needs some
        frames, however long they take.
        """
        if not self._settling:
            return True
        self._settling -= 1
        if metadata.get("AeLocked") or metadata.get("AeState") == _CONVERGED:
            self._settling = 0
        if self._settling:
            return False
        if self._settings.fps < START_FPS:
            self._set_rate(self._settings.fps)
        return True

    # -- frames

    def _frames(self) -> Iterator[Frame]:
        limit_s = self._settings.timeout_s + 1 / self._settings.fps
        with self._state.one_consumer():
            deadline_s = self._clock.now_s() + limit_s
            while True:
                self._state.check_open()
                request = self._device.next_request(limit_s, self._state.stopped)
                if request is None:
                    self._state.check_open()
                    return
                try:
                    frame = self._frame(request)
                except Exception as error:
                    self._state.check_open()  # closed by another thread meanwhile
                    raise diagnosis.explained(error, "reading a frame") from error
                finally:
                    request.release()
                if frame is not None:
                    yield frame
                    deadline_s = self._clock.now_s() + limit_s
                elif self._clock.now_s() > deadline_s:
                    raise CameraTimeout(f"{self._name}: only damaged frames for {limit_s:g} s")

    def _frame(self, request: Any) -> Frame | None:
        """Copy a frame out of its request; None for one that nobody wants."""
        metadata = request.get_metadata()
        if not picamera2_api.is_sound(request) or not self._settled(metadata):
            return None
        scores = None if self._read_scores is None else self._read_scores(metadata)
        if scores is None and self._read_scores is not None:
            return None
        timestamp_ns = int(metadata.get("SensorTimestamp") or time.monotonic_ns())
        duration_ns = int(metadata.get("FrameDuration") or 0) * 1000
        sequence = self._numbering.number(timestamp_ns, duration_ns)
        if sequence is None:
            return None
        self._metadata = metadata
        if self._picture is not None:
            picture, self._picture = self._picture, None
            picture.set_result(self._device.copied(request, "main", self._read_picture))
        pixels = self._device.copied(request, self._stream, self._read)
        return Frame(pixels, sequence, timestamp_ns, scores=scores)


def _reader(
    configured: Mapping[str, Any], asked: Mapping[str, Any], turns: int, shape: tuple[int, int]
) -> PixelReader:
    # a size that the ISP cannot do became another: no part of that, but all of it
    cut = shape if configured["size"] == asked["size"] else None
    return PixelReader(configured["format"], configured["size"], configured["stride"], turns, cut)
