"""Warm processes from which sandboxes and kernels are forked."""
