"""What runs in the process that holds a model. Imports nothing of the platform, only llama.cpp."""
