"""Floor 2: the store, which keeps the journal and knows nothing of its meaning."""
