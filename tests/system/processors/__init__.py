"""The daemon on the Pi's own processors, emulated: same labels, and scores how far apart.

`scripts/arm` runs all of it, `tests/system/test_processors.py` the part that fits into CI.
Beside the other system tests because it shares their Debian roots; a package, because half
of it runs inside the emulated system.
"""
