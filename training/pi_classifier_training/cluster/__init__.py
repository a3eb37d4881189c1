"""Several machines at work for one command, through Ray; imported only where asked for."""
