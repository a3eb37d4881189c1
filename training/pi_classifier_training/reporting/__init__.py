"""The page that says how good a model is."""
