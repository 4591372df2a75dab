"""Writing programs: models behind OpenAI-compatible endpoints, and recipes where there is none."""
