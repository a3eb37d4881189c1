"""Photos of a folder, and recordings, played as a camera."""
