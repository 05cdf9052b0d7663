"""Methods that learn by gradient: each is a file with its settings and its class, and one with the module it trains."""
