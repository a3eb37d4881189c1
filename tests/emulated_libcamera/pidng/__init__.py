"""What picamera2 imports of pidng, for raw photos that nobody saves here."""
