"""The model file: a TFLite flatbuffer with labels and manifest, and where models are found."""
