"""A camera: exclusive use, configuration, and a thread that stands for the sensor."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emulation import description
from emulation.hardware import EmulatedSensor
from emulation.isp import scaled, write
from emulation.sensors import SensorMode

from libcamera.controls import ControlId
from libcamera.geometry import ColorSpace, Orientation, Rectangle
from libcamera.requests import FrameMetadata, Request
from libcamera.streams import CameraConfiguration, Stream, StreamRole

_FLIPPED = {
    Orientation.Rotate0: (False, False),
    Orientation.Rotate0Mirror: (True, False),
    Orientation.Rotate180Mirror: (False, True),
    Orientation.Rotate180: (True, True),
}
# What libcamera's pipeline handler waits for a sensor: pipeline_base.cpp.
_STALL_NS = 1_000_000_000
_STALL_FRAMES = 5


class Camera:
    """One sensor behind an ISP."""

    def __init__(
        self, connected: EmulatedSensor, platform: str, push: Callable[[Request], None]
    ) -> None:
        self.connected = connected
        self.sensor = connected.model
        self.platform = platform
        self.id = connected.id
        self.properties = description.properties_of(self.sensor)
        self._mode: SensorMode = self.sensor.modes[-1]
        self._push = push
        self._acquired = False
        self._running = False
        self._dead = False
        self._requests = 0
        self._queue: deque[Request] = deque()
        self._changed = threading.Condition()
        self._streams: list[Stream] = []
        self._crops: list[Rectangle] = []
        self._flips = (False, False)

    @property
    def controls(self) -> dict[ControlId, Any]:
        """The controls it has in the present mode, and their limits."""
        return description.controls_of(
            self.connected, self._mode, self.platform, self._crops or [Rectangle(*self._mode.crop)]
        )

    def acquire(self) -> None:
        """Take it for this program alone."""
        number = self.connected.faults.acquire_errno
        if number or self.connected.held_by is not None:
            raise RuntimeError(f"Failed to acquire camera: {os.strerror(number or 16)}")
        self.connected.held_by = self

    def release(self) -> None:
        """Give it back."""
        if self._running:
            raise RuntimeError(f"Failed to release camera: {os.strerror(16)}")
        self.connected.held_by = None

    def generate_configuration(self, roles: Sequence[StreamRole]) -> CameraConfiguration:
        """Return a configuration with a stream for each role."""
        return CameraConfiguration(self, roles)

    def configure(self, wanted: CameraConfiguration) -> int:
        """Be as `wanted` says, which was validated."""
        if self._running:
            raise RuntimeError(f"Failed to configure camera: {os.strerror(16)}")
        for configuration in wanted:
            configuration.stream = Stream(configuration)
        self._streams = [stream.stream for stream in wanted if stream.stream is not None]
        size, depth = wanted.at(0).size, None
        chosen = (size.width, size.height)
        if wanted.sensor_config is not None:
            asked = wanted.sensor_config
            chosen, depth = (asked.output_size.width, asked.output_size.height), asked.bit_depth
        self._mode = self.sensor.mode_for(chosen, depth)
        self._flips = _FLIPPED[wanted.orientation]
        self._crops = [
            description.centered(self._mode.crop, (stream.size.width, stream.size.height))
            for stream in wanted
        ]
        if self.platform == "vc4":  # one crop for all: another aspect comes out squashed
            self._crops = [self._crops[0]] * len(self._crops)
        self.connected.settings = {"mode": self._mode, "flips": self._flips}
        return 0

    def create_request(self, cookie: int = 0) -> Request:
        """Return a request that is known by `cookie`."""
        self._requests += 1
        return Request(cookie)

    def start(self, controls: Mapping[ControlId, Any] | None = None) -> None:
        """Let the sensor run."""
        number = self.connected.faults.start_errno
        if number:
            raise RuntimeError(f"Failed to start camera: {os.strerror(number)}")
        self._apply(controls or {})
        self._running, self._dead, self._requests = True, False, 0
        self._thread = threading.Thread(target=self._run, name="emulated-sensor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let it rest; what was queued comes back canceled."""
        if self.connected.faults.hang_on_stop is not None:
            self.connected.faults.hang_on_stop.wait()
        with self._changed:
            self._running = False
            self._changed.notify_all()
        self._thread.join()
        self._cancel_all()

    def queue_request(self, request: Request) -> None:
        """Have it filled with a coming frame."""
        with self._changed:
            if not self._dead:
                self._queue.append(request)
                self._changed.notify_all()
                return
        self._complete(request, Request.Status.Cancelled)

    def _cancel_all(self) -> None:
        with self._changed:
            waiting = list(self._queue)
            self._queue.clear()
        for request in waiting:
            self._complete(request, Request.Status.Cancelled)

    def _complete(self, request: Request, status: Request.Status) -> None:
        request.status = status
        self._push(request)

    def _apply(self, controls: Mapping[ControlId, Any]) -> None:
        for control, value in controls.items():
            self.connected.settings[control.name] = value
            if control.name == "ScalerCrop":
                self._crops = [value.bounded_to(Rectangle(*self._mode.crop)) for _ in self._crops]
            elif control.name == "ScalerCrops":
                limit = Rectangle(*self._mode.crop)
                self._crops = [crop.bounded_to(limit) for crop in value]

    def _period_ns(self) -> int:
        """One frame at the present limits; exposure control would like 30 a second."""
        limits: Any = self.connected.settings.get("FrameDurationLimits", (100, 83_333))
        low, high = limits
        fastest = int(1e6 / self._mode.fps)
        return max(fastest, int(low), min(int(high), 33_333)) * 1000

    def _run(self) -> None:
        connected, faults = self.connected, self.connected.faults
        due_ns = last_ns = connected.time_ns()
        number = 0
        while True:
            period_ns = self._period_ns()
            due_ns += period_ns
            if not self._wait(due_ns, virtual=faults.stalled):
                return
            if faults.stalled:
                if due_ns - last_ns > max(_STALL_NS, _STALL_FRAMES * period_ns) and not self._dead:
                    self._time_out()
                continue
            last_ns = due_ns
            if faults.drop:
                faults.drop -= 1
            else:
                self._deliver(number, due_ns, period_ns)
            number += 1

    def _wait(self, due_ns: int, *, virtual: bool) -> bool:
        """Wait for the next frame's time; whether the sensor still runs."""
        connected = self.connected
        with self._changed:
            if connected.pace != "real" and not virtual:
                while self._running and not connected.faults.stalled:
                    if self._requests and len(self._queue) == self._requests:
                        break
                    self._changed.wait(0.05)
            if connected.pace == "virtual":
                if virtual:
                    self._changed.wait(0.001)
            else:
                ahead_ns = due_ns - connected.time_ns()
                until_s = time.monotonic() + ahead_ns / 1e9
                while self._running and (left_s := until_s - time.monotonic()) > 0:
                    self._changed.wait(left_s)
            connected.now_ns = due_ns
            return self._running

    def _time_out(self) -> None:
        print("ERROR RPI pipeline_base.cpp: Camera frontend has timed out!", file=sys.stderr)
        print("ERROR RPI Please check that your camera sensor connector is attached securely.",
              file=sys.stderr)  # fmt: skip
        with self._changed:
            self._dead = True
        self._cancel_all()

    def _deliver(self, number: int, timestamp_ns: int, period_ns: int) -> None:
        with self._changed:
            request = self._queue.popleft() if self._queue else None
        if request is None:
            return  # nobody waits for it: lost
        self._apply(request.controls)
        faults, status = self.connected.faults, FrameMetadata.Status.Success
        if faults.startup:
            faults.startup, status = faults.startup - 1, FrameMetadata.Status.Startup
        elif faults.errors:
            faults.errors, status = faults.errors - 1, FrameMetadata.Status.Error
        self._fill(request, number, timestamp_ns)
        for buffer in request.buffers.values():
            metadata = buffer.metadata
            metadata.status = status
            metadata.sequence, metadata.timestamp = number, timestamp_ns
            for used, plane in zip(metadata.planes, buffer.planes, strict=True):
                used.bytes_used = plane.length
        request.sequence = number
        request.metadata = description.metadata_of(
            self.connected, number, timestamp_ns, period_ns, self._crops[0]
        )
        self._complete(request, Request.Status.Complete)

    def _fill(self, request: Request, number: int, timestamp_ns: int) -> None:
        seen: dict[tuple[int, int, int, int], Any] = {}
        width, height = self.sensor.pixel_array
        across, down = self._flips
        for stream, crop in zip(self._streams, self._crops, strict=True):
            wanted = stream.configuration
            if wanted.role is StreamRole.Raw:
                continue
            size = (wanted.size.width, wanted.size.height)
            box = (crop.x, crop.y, crop.width, crop.height)
            if box not in seen:
                # the sensor sends its rows and columns in the other order, and the ISP cuts that
                left = width - crop.x - crop.width if across else crop.x
                top = height - crop.y - crop.height if down else crop.y
                part = left / width, top / height, crop.width / width, crop.height / height
                seen[box] = self.connected.world.picture(number, timestamp_ns / 1e9, part, size)
            picture = scaled(seen[box], size)
            picture = picture[:: -1 if down else 1, :: -1 if across else 1]
            full = wanted.color_space.range is ColorSpace.Range.Full
            buffer = request.buffers[stream]
            write(picture, buffer.bytes, str(wanted.pixel_format), wanted.stride, full_range=full)
