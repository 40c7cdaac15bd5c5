"""Number formats: a float graph in integers of any width, and what that costs."""
