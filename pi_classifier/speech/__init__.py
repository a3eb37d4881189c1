"""Speech: phrases, their synthesis by pyttsx3 in a child process, and their playing.

Kept light: the child process imports this package each time it starts.
"""
