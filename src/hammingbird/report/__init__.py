"""From what a comparison stored to one HTML page: words, figures, canvas, pictures."""
