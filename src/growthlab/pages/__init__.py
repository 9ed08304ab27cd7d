"""Every HTML page: templates, one style sheet, charts."""
