"""Searches for bytes that a reader does not read and does not refuse as it says."""
