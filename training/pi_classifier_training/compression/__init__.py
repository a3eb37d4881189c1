"""Smaller model files: rounded and quantized."""
