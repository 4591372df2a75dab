"""The walls of a sandbox: namespaces, mounts, capabilities, seccomp and cgroups."""
