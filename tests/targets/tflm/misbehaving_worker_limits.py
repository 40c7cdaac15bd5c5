"""What `misbehaving_worker` pretends of its network, in bytes."""

NEEDED_BYTES = 5008
RECORDED_BYTES = 4000
