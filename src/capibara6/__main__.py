"""`python -m capibara6`: the command line."""

from capibara6.cli import main

main()
