"""Deep hashing: objectives that add, relaxations of the sign, networks, one training loop."""
