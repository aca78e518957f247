"""What deep hashers minimise, one formula or one family of formulas per file."""
