"""Supervised methods without deep networks, a file for each."""
