"""Raw files to an EventLog."""
