"""The file format, whole: schema, metadata, writing, and what is left of a recording that was cut off."""
