"""Reports as HTML pages: one self-contained file that loads nothing from elsewhere."""
