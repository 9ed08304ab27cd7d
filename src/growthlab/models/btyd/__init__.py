"""Buy-till-you-die models, shared by churn and value: likelihoods, their search, errors, simulation."""
