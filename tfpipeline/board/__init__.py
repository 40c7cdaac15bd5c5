"""A board at the end of a serial line: its protocol, and what its answers say."""
