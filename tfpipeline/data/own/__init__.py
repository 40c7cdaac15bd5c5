"""Data of one's own: a module a form, and what they share."""
