"""More than one process and more than one machine. Ray moves the work; only this room opens it."""
