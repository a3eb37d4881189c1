"""Where decisions go: standard output, the journal, a file, the loudspeaker.

A sink never slows a frame: `emit` puts the decision into the sink's own bounded
queue and returns; what a sink cannot deliver is counted and logged once.
"""
