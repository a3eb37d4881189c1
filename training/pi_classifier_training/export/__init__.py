"""A trained network becomes a checked model file."""
