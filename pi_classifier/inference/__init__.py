"""From pixels to scores: the TFLite runtime, one model, a cascade of several."""
