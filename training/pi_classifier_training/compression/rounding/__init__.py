"""Float weights rounded so that the file compresses: the command ``round``."""
