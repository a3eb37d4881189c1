"""What picamera2's IMX500 class imports and does not use here."""
