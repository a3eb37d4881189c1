"""From Keras to TFLite, and running the result."""
