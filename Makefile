.PHONY: install test lint format docs bench

install:
	python3 -m venv .venv
	.venv/bin/pip install -q ".[all,test,lint]"

test:
	.venv/bin/python -m pytest -n auto

lint:
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

format:
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

docs:
	.venv/bin/pip install -q ".[docs]"
	.venv/bin/mkdocs build --strict

# Prints the ratios to FAISS, usearch, NumPy and the argsort loop, and writes tables and plots to runs/bench.
bench:
	.venv/bin/pip install -q ".[bench]"
	.venv/bin/python benchmarks/kernels.py --out runs/bench
	.venv/bin/python benchmarks/evaluation.py --out runs/bench
