"""Programs that are copied beside an exported model: they import neither adtrack nor torch, but one another."""
