"""From photos to a trained network in a run folder."""
