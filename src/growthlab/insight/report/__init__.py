"""The growth report: sections applied to a log, as tables, plots and one page."""
