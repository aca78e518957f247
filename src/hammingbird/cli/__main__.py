"""``python -m hammingbird.cli``."""

from hammingbird.cli import main

main()
