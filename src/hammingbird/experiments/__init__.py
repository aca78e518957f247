"""Compare methods, keep results, draw figures and the report."""
