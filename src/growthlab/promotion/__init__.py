"""Whether a challenger may become champion: evidence, gate, ruling and report."""
