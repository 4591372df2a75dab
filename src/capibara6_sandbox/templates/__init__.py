"""Templates: the file system and the limits that a sandbox starts with."""
