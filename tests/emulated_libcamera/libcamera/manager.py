"""The list of cameras, and the requests that are done."""

from __future__ import annotations

import os
import threading
import weakref

from emulation import hooks
from emulation.hardware import HARDWARE

from libcamera.camera import Camera
from libcamera.requests import Request


class CameraManager:
    """One for all; gone when nobody holds it, as libcamera's is."""

    version = "v0.0.0+emulated"
    _instance: weakref.ref[CameraManager] | None = None

    def __init__(self) -> None:
        self.event_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._done: list[Request] = []
        self._cameras: dict[int, Camera] = {}

    def __del__(self) -> None:
        os.close(self.event_fd)

    @classmethod
    def singleton(cls) -> CameraManager:
        """Return the one."""
        hooks.apply()
        manager = cls._instance() if cls._instance is not None else None
        if manager is None:
            manager = cls()
            cls._instance = weakref.ref(manager)
        return manager

    @property
    def cameras(self) -> list[Camera]:
        """The cameras that are plugged in."""
        known = self._cameras
        self._cameras = {
            id(sensor): known.get(id(sensor)) or Camera(sensor, HARDWARE.platform, self.push)
            for sensor in HARDWARE.sensors
        }
        return list(self._cameras.values())

    def get(self, name: str) -> Camera:
        """Return the camera of that id."""
        return next(camera for camera in self.cameras if camera.id == name)

    find = get

    def push(self, request: Request) -> None:
        """Take a request that is done; tell whoever polls `event_fd`."""
        with self._lock:
            self._done.append(request)
        os.eventfd_write(self.event_fd, 1)

    def get_ready_requests(self) -> list[Request]:
        """Return the requests done since the last call."""
        try:
            os.eventfd_read(self.event_fd)
        except BlockingIOError:
            return []
        with self._lock:
            done, self._done = self._done, []
        return done
