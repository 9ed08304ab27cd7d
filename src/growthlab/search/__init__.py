"""A fair search of a model's settings: space, sampling, study, store of trials, workers, report."""
