"""The workstation side: a folder of photos becomes one small model file."""
