"""Estimators, one file each, in the folder of their task."""
