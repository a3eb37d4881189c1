"""What picamera2 imports of python-prctl; nothing here is used without FFmpeg."""

SIGKILL = 9


def set_pdeathsig(signal: int) -> None:
    """Do nothing."""
    del signal
