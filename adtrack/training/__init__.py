"""Training of networks on a class's good images: one loop for all that learns, and the tasks that need no labels."""
