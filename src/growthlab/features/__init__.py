"""From the past to what models eat, always as of a snapshot."""
