"""Compare methods on one task: run, store, then measure."""
