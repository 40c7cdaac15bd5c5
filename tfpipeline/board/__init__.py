"""A board at the end of a serial line: its protocol, its answers, what they are worth."""
