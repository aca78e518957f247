.PHONY: install test test-stores sanitize lint format docs papers bench bench-frontier

install:
	python3 -m venv .venv
	.venv/bin/pip install -q ".[all,test,lint]"

test:
	.venv/bin/python -m pytest -n auto

# Every store that runs here, on the real thing; nothing is skipped.
test-stores:
	.venv/bin/pip install -q ".[test-stores]"
	.venv/bin/python -m pytest -n auto tests/stores

# The kernels' tests under AddressSanitizer and UBSan (GCC), at every instruction set of this machine.
sanitize:
	rm -rf build/sanitize
	.venv/bin/pip install -q --no-deps --target build/sanitize -C cmake.define.HAMMINGBIRD_SANITIZE=ON .
	grep -q __asan_report build/sanitize/hammingbird/kernels/_native*.so
	LD_PRELOAD="$$(g++ -print-file-name=libasan.so) $$(g++ -print-file-name=libstdc++.so)" \
	ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc \
	PYTHONPATH=build/sanitize .venv/bin/python -m pytest -s tests/kernels

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

# Writes the tables of the papers' pages from the results that are kept in docs/results.
papers:
	.venv/bin/python -m hammingbird.papers.pages docs

# Prints the ratios to FAISS, usearch, NumPy and the argsort loop, and writes tables and plots to runs/bench.
bench:
	.venv/bin/pip install -q ".[bench]"
	.venv/bin/python benchmarks/kernels.py --out runs/bench
	.venv/bin/python benchmarks/evaluation.py --out runs/bench

# Recall, speed and bytes a row beside FAISS and usearch; plots and points to runs/bench. FRONTIER_ROWS=200000 is quicker.
FRONTIER_ROWS ?= 1000000
bench-frontier:
	.venv/bin/pip install -q ".[bench]" opencv-python-headless
	test -e runs/descriptors.npy || .venv/bin/python benchmarks/descriptors.py --rows 1001000 --out runs/descriptors.npy
	.venv/bin/python benchmarks/frontier.py --vectors runs/descriptors.npy --rows $(FRONTIER_ROWS) --out runs/bench
	.venv/bin/python benchmarks/frontier.py --made 384 --rows $(FRONTIER_ROWS) --out runs/bench
