"""The HTTP faces of the server: E2B's control plane, envd and code interpreter."""
