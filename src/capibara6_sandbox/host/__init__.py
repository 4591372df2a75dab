"""The host side of sandboxes: lifecycle, pool, limits, and the client of the guest agent."""
