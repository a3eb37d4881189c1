"""Raspberry Pi camera modules, through picamera2."""
