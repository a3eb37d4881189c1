"""What picamera2's IMX500 class imports and does not use here."""


class tqdm:  # noqa: N801  its own name
    """A name to import."""
