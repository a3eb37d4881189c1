"""The workstation side: a folder of photos becomes one small model file."""

__version__ = "0.1.0"

__all__ = ["__version__"]
