"""Seeing what the program sees: in a terminal, a browser or a picture file."""
