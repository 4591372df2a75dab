"""What leaves a sandbox: policies, names, and the process that connects on its behalf."""
