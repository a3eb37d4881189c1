"""The bottleneck cache: what a network makes of each photo, kept on disk."""
