"""From a picture of any size to the pixels a model takes; shared with training."""
