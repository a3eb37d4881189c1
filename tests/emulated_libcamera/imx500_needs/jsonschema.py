"""What picamera2's IMX500 class imports; here every description of a network is right."""


def validate(value: object, schema: object) -> None:
    """Accept it."""
    del value, schema
