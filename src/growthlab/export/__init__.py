"""A fitted model out of the lab: bundle, pyfunc, registry."""
