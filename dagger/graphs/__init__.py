"""Floor 4: graphs."""
