"""An open trace: the file, the database that sees nothing else, the catalogue of views and reports."""
