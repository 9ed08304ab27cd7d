"""The page of a comparison: what a reviewer asks, in the order of the questions; one chapter a file."""
