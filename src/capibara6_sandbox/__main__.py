"""The command line of the embedded server: `python -m capibara6_sandbox`."""

from capibara6_sandbox.server import main

if __name__ == "__main__":
    main()
