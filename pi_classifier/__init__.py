"""Point a Raspberry Pi at the world; it tells you what it sees.

Importing this package imports none of the runtimes, cameras or speech engines
it can drive: each lives behind one module that is imported when it is chosen.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
