"""Torch modules; of our own code they import only each other and the errors."""
