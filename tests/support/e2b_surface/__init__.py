"""What E2B's published clients offer, which tests call it, and the page that says so."""
