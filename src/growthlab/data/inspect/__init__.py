"""Files that nobody has described yet: what is in them, and the settings by which they are read."""
