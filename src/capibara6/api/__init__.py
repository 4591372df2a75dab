"""The HTTP face of the platform. Knows the pipeline and the store's queries, no adapter."""
