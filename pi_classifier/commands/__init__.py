"""The commands of the program, one module each, imported when it is used."""
