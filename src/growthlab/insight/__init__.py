"""What a marketer reads: growth, cohorts, baskets, channels and goals, each figure with its definition."""
