"""The sections of the growth report, one file each, named as its yaml."""
