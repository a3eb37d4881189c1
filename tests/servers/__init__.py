"""Real servers of live video, each a camera on the network that a test plays with."""
