"""Hashers that need only NumPy, SciPy and scikit-learn; one method family per file."""
