"""Where fits and trials run: on this machine, or on a Ray cluster."""
