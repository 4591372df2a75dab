"""The command line. Importing it is quick: a command imports its own parts when it is called."""


def main() -> None:
    """Run the command line; the entry point `capibara6`."""
    from capibara6.cli.commands import app

    app()
