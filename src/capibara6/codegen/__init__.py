"""From a request to a program: models and recipes; data profiling for both."""
