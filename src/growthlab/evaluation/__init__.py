"""From scores to numbers with intervals, comparisons and reports."""
