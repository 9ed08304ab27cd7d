"""A simulated market that answers back: its world, its customers, its months and its truth."""
