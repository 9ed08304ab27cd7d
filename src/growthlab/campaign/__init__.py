"""Campaigns: whom to tell what, when and where, within a budget; an independent check; the holdout."""
