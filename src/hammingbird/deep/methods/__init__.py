"""The papers' methods: named choices of objectives, a relaxation and a training recipe."""
