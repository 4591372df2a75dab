"""Building templates: a build is a sandbox whose layers are saved."""
