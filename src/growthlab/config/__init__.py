"""From the words of a command to one composed config, with a clear line for every mistake."""
