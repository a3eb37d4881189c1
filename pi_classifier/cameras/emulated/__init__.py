"""A camera that films a garden drawn by the program, with faults to order."""
