"""A recording that still runs: what was committed of it, as relations that are brought up to date by what comes."""
