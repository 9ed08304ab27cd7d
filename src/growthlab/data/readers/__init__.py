"""One way in for every table of a shop: files of any kind as rows of raw values."""
