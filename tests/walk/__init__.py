"""Pages walked as a reader would: their commands in order, what they print compared."""
