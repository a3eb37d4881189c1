"""A camera that gives one picture for each request, asked at `camera.fps`."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPException, HTTPResponse

from pi_classifier.cameras.orientation import Orientation
from pi_classifier.cameras.settings import CameraSettings
from pi_classifier.cameras.video.http import HttpConnection, problem
from pi_classifier.cameras.video.pyav import Picture
from pi_classifier.errors import ImageError
from pi_classifier.preprocessing.area_average import Pixels
from pi_classifier.preprocessing.photos import read_photo

# How the formats begin that cameras send; some call all they send text.
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM")


def is_still(answer: HTTPResponse) -> bool:
    """Whether an answer is one picture, not a stream of them; raises VideoError."""
    kind = answer.headers.get_content_maintype()
    if kind in ("multipart", "video"):
        return False
    try:
        return kind == "image" or answer.peek(16).startswith(_BEGINNINGS)
    except (OSError, HTTPException) as error:
        raise problem(error) from None


class StillPictures:
    """The pictures of one address, each asked for when it is due.

    `first` is the answer the first one is in. A JPEG is decoded smaller, with the shorter
    side of what is seen of it no less than `side` pixels.
    """

    def __init__(
        self, connection: HttpConnection, first: HTTPResponse, settings: CameraSettings, side: int
    ) -> None:
        self.damaged = 0
        self._connection = connection
        self._period_s = 1 / settings.fps
        self._seen = Orientation.of(settings)
        self._min_side = self._seen.side_of_any(side)
        self._ended = threading.Event()
        self._first = connection.body(first)

    def pictures(self) -> Iterator[Picture]:
        """Yield each picture as it arrives; raises VideoError when none comes."""
        data, due_s = self._first, time.monotonic()
        while True:
            yield partial(self._decoded, data)
            # one that came late does not make the next ones come early
            due_s = max(due_s + self._period_s, time.monotonic() - self._period_s)
            if self._ended.wait(max(0.0, due_s - time.monotonic())):
                return
            data = self._connection.body(self._connection.ask())

    def interrupt(self) -> None:
        """End the pictures, and what is waited for; may be called from any thread."""
        self._ended.set()
        self._connection.interrupt()

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _decoded(self, data: bytes) -> Pixels | None:
        try:
            return self._seen(read_photo(io.BytesIO(data), min_side=self._min_side))
        except ImageError:
            self.damaged += 1
            return None
