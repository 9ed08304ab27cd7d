"""What the commands do, from Python: typed functions with the same names and the same results."""
