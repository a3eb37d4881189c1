"""Finds photos that harm training, and moves them aside."""
