"""Programs written to break out of a sandbox, and what on this machine says whether they did.

A program never judges itself: files, sockets, processes and counters outside the sandbox do. All is
driven through the published E2B SDK, so that any provider that speaks E2B's protocol can be
attacked; what cannot be observed from here is said. `capibara6 doctor --attack` runs them.
"""
