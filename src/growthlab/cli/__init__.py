"""One small file a command: it calls the other rooms, prints the result and returns the exit status."""
