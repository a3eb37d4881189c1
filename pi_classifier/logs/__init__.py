"""The program's own log: events, handlers, the rate limit."""
