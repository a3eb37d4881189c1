"""Other programs' models, made into model files."""
