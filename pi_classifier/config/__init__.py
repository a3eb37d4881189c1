"""The configuration: TOML files and command line become frozen settings, every error at once."""
