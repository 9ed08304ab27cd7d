"""The portrait of a customer as of a cutoff: documented tags in four parts."""
