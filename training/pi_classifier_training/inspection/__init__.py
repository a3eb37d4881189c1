"""What is inside a model file, and what it costs to run."""
