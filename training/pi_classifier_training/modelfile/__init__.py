"""Writes the model file: metadata, golden vectors, model card, cascade file."""
