"""How good a model file is, measured through the daemon's own code."""
