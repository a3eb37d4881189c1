"""What a model and a board take: time by operation, and by step of a frame."""
