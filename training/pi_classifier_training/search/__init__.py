"""The search for the best model for a board: what is tried, and in how much time."""
