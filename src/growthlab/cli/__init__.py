"""One small file a command: compose the config, call one function."""
