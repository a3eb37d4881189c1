"""The networks that can be trained, and where their published weights come from."""
