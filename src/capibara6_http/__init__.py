"""What both HTTP faces share: bounds on connections, heads and bodies, and guards against pages.

The platform's API and the sandbox server's gateway are two programs that meet only through the wire
protocol; what protects the one protects the other. This package knows neither of them.
"""
