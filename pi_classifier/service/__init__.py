"""The running service: composition root, run loop, liveness, status, reload, signals."""
