"""What runs inside a sandbox: the agent (PID 1) and the kernels. Standard library only.

It knows nothing of the host: it serves operations on a stream socket and trusts nobody's paths but
the sandbox's own.
"""
