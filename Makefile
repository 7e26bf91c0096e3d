# Two commands do everything on a fresh machine: make run, make test.  make help lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RECORDING := tests/recordings/35-zram-then-disk-small
RUN := run/desktop-16g
SOAK_OPS := 10000000
FUZZ_S := 120
MUTATIONS := 1200
KILLS := 200
# The tests of a file share what it prepares, and files begin in their order: long ones are not last.
BY_FILE := --dist loadfile --no-loadscope-reorder
# On two cores, for screens and clocks are waited for.
PROCESSES := 3
CORE := $(shell find src/memtwin/linux -name "*.py" -o -name "*.pxd")

.DEFAULT_GOAL := help
.PHONY: help run test style lint check bench build debug-test soak fuzz kills trials page-cache fingerprint fidelity future journeys stubs map chapter api man zipapp wheels chroots lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /  make \1\t/' | expand -t 22

$(VENV)/.base: requirements/base.txt requirements/build.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing click, msgspec and Cython into $(VENV)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/base.txt -r requirements/build.txt
	@touch $@

$(VENV)/.built: $(VENV)/.base $(CORE) setup.py pyproject.toml
	@echo "compiling the model of Linux's memory manager, once: one to two minutes"
	@MEMTWIN_CORE=require $(BIN)/python setup.py -q build_ext --inplace
	@MEMTWIN_CORE=without $(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.base requirements/dev.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	touch $@

$(VENV)/.bench: requirements/bench.txt
	test -x $(VENV)/bench/bin/python || $(PYTHON) -m venv $(VENV)/bench
	$(VENV)/bench/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bench.txt
	touch $@

$(VENV)/.wheels: requirements/wheels.txt
	test -x $(VENV)/wheels/bin/python || $(PYTHON) -m venv $(VENV)/wheels
	$(VENV)/wheels/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/wheels.txt
	touch $@

build: $(VENV)/.built  ## make the virtual environment and compile the core

run: $(VENV)/.built  ## a day on a machine with 16 GB, zram and a swap partition; then a workload beside the real kernel
	@rm -rf $(RUN) $(RUN).html && mkdir -p run
	@echo "== a day on a desktop with 16 GB that ends in a leak, on the model (scenarios/desktop-16g.mem)"
	@$(BIN)/memtwin run scenarios/desktop-16g.mem -o $(RUN) || test $$? -eq 3  # 3: the leak was killed, as it should
	@for when in morning night; do \
	  echo; echo "== $$when: free --mega, swapon --show"; \
	  $(BIN)/memtwin free --mega --root $(RUN)@$$when; \
	  $(BIN)/memtwin swaps --root $(RUN)@$$when; \
	done
	@echo
	@echo "== night: where all of RAM is, and whose memory is in swap (memtwin account, swapuse)"
	@$(BIN)/memtwin account --root $(RUN)@night
	@echo
	@$(BIN)/memtwin swapuse --root $(RUN)@night
	@echo
	@echo "== how close the model is: zram fills, then a disk, on a real kernel and here ($(RECORDING))"
	@$(BIN)/memtwin validate $(RECORDING)
	@echo
	@echo "== three commands to try"
	@echo "  $(BIN)/memtwin                                              # is something wrong with this machine now?"
	@echo "  $(BIN)/memtwin ps --root $(RUN)@evening                # who had what that evening"
	@echo "  $(BIN)/memtwin run scenarios/desktop-16g.mem --set vm.swappiness=10   # what if it swapped less eagerly?"
	@echo
	@echo "== the day as a page of pictures: open it in a browser"
	@$(BIN)/memtwin report $(RUN) -o $(RUN).html

test: $(VENV)/.built $(VENV)/.dev  ## run all tests
	$(BIN)/python -m pytest -q -n $(PROCESSES) $(BY_FILE)

style: $(VENV)/.built $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

lint: style  ## format, lint, types, tidy
	$(BIN)/python -m pytest -q tests/tidy

check: lint  ## these, and fast tests
	$(BIN)/python -m pytest -q -n $(PROCESSES) $(BY_FILE) tests/unit

bench: $(VENV)/.built $(VENV)/.dev  ## rates of the core beside a C loop, libCacheSim and this host's kernel
	@$(MAKE) --no-print-directory $(VENV)/.bench || { rm -rf $(VENV)/bench; echo "libcachesim cannot be installed: bench goes on without"; }
	$(BIN)/python benchmarks/bench.py

debug-test: $(VENV)/.built $(VENV)/.dev  ## unit and model tests and two recordings on the debug build, with the address sanitizer
	MEMTWIN_CORE=require MEMTWIN_DEBUG=1 $(BIN)/python setup.py -q build --build-base build/debug --build-lib build/debug/lib
	PYTHONPATH=build/debug/lib MEMTWIN_MUTATIONS=$(MUTATIONS) ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 LD_PRELOAD=$$($(CC) -print-file-name=libasan.so) \
	  $(BIN)/python -m pytest -q -n 2 $(BY_FILE) -p no:cacheprovider tests/model \
	  tests/oracle/test_fidelity.py::test_the_twin_is_within_the_bars \
	  'tests/oracle/test_fidelity.py::test_reclaim_is_within_the_bars[12-mix-swappiness-0]' \
	  'tests/oracle/test_fidelity.py::test_reclaim_is_within_the_bars[105-zram-lzo-classes]' \
	  tests/unit/test_run.py tests/unit/test_vectors.py

soak: $(VENV)/.built  ## ten million random operations on random machines, all invariants every 500 (about an hour)
	$(BIN)/python tests/model/soak.py $(SOAK_OPS)

fuzz: $(VENV)/.built  ## coverage-guided fuzzing of all that reads other people's bytes, two minutes a target
	test -x $(VENV)/fuzz/bin/python || $(PYTHON) -m venv $(VENV)/fuzz
	$(VENV)/fuzz/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/base.txt -r requirements/fuzz.txt
	@set -e; cd tests/schema; for target in readers archives scenarios boot logs traces; do \
	  echo "== $$target"; \
	  ../../$(VENV)/fuzz/bin/python fuzz.py $$target ../../build/corpus/$$target -max_total_time=$(FUZZ_S) -max_len=8000 \
	    -timeout=10 -rss_limit_mb=1536; \
	done

kills: $(VENV)/.built $(VENV)/.dev  ## kill runs, snapshots and pages at random moments, 200 times each (ten minutes)
	$(BIN)/python tests/unit/kills.py $(KILLS)

trials: $(VENV)/.built $(VENV)/.dev  ## watch all programs of tests/trials, 5 seeds, 10 at a time (hours); writes docs/leak-trials.md
	$(BIN)/python tests/trials/trials.py --write docs/leak-trials.md

page-cache: $(VENV)/.built  ## a published page-cache experiment on the model (a quarter of an hour, 6 GB); writes docs/page-cache.md
	$(BIN)/python tests/trials/page_cache.py --write docs/page-cache.md

fingerprint: $(VENV)/.built  ## say which runs and views print other bytes than tests/fingerprint has (MOVE=--move writes it)
	$(BIN)/python tests/fingerprint/fingerprint.py $(MOVE)

fidelity: $(VENV)/.built  ## write docs/fidelity.md from all recordings
	$(BIN)/python docs/fidelity.py

future: $(VENV)/.built  ## write docs/future.md: recordings run on from their middle
	$(BIN)/python docs/future.py

stubs:  ## write the stubs of the compiled core (src/memtwin/linux/**/*.pyi)
	$(PYTHON) docs/stubs.py

map:  ## write docs/core-map.md, the order of imports within the compiled core
	$(PYTHON) docs/core_map.py

journeys: $(VENV)/.built  ## count rooms, moves and climbs of three journeys through the code (docs/journeys.md)
	@$(BIN)/python docs/journeys.py

chapter: $(VENV)/.built  ## write docs/chapter-shown.md: what the commands of docs/chapter.md print
	COLUMNS=100 $(BIN)/python docs/chapter_shown.py

api: $(VENV)/.built  ## write docs/api.md and the outputs of docs/library.ipynb
	$(BIN)/python docs/api.py
	$(BIN)/python docs/notebook.py

man: $(VENV)/.built  ## write the manual pages and completions of an installation (build/share)
	@$(BIN)/python packaging/shares.py build/share

zipapp: $(VENV)/.built $(VENV)/.dev  ## write build/memtwin.pyz: every view as one file, to copy to a server
	@$(BIN)/python packaging/one_file.py build/memtwin.pyz

wheels: $(VENV)/.wheels  ## build sdist and wheels into build/dist, check them and try them on each Python (three minutes)
	@$(VENV)/wheels/bin/python packaging/wheels.py

chroots: $(VENV)/.built $(VENV)/.dev  ## install on fresh Debians 12 and 13 (root); WITH=compiler: make run and test there
	@$(BIN)/python packaging/chroots.py $(WITH)

lock:  ## resolve requirements/*.txt again
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header pyproject.toml -o requirements/base.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --group dev -c requirements/base.txt -o requirements/dev.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header requirements/build.in -o requirements/build.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header requirements/bench.in -o requirements/bench.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header requirements/fuzz.in -o requirements/fuzz.txt
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header requirements/wheels.in -o requirements/wheels.txt

clean:  ## remove everything that was built
	rm -rf $(VENV) build run src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src -name '*.so' -delete
