"""How fast, how soon and how big the daemon is, measured beside a bare interpreter."""
