"""What picamera2 imports of pykms, for a preview on a screen that nobody starts here."""


class _Formats:
    """Any name is a format of that name."""

    def __getattr__(self, name: str) -> str:
        return name


PixelFormat = _Formats()


class Card:
    """The screen, which is not there."""

    def __init__(self, *arguments: object) -> None:
        raise RuntimeError("there is no screen here")
