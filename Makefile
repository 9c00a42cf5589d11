# The commands of this checkout. Each installs first what it needs (docker/bootstrap.sh)
# and says so on standard error; what is there is not touched.
.DEFAULT_GOAL := help
.PHONY: help demo test check drill bench images machine lock asterisk
MAKEFLAGS += --no-print-directory

BIN := .venv/bin
BOOTSTRAP := @sh docker/bootstrap.sh
# Values for one run: make demo ARGS="--once --json", make drill SEED=7 MINUTES=30 CALLS=75
ARGS ?=
# Two tests at a time, those of one file in one worker: most of them wait for something.
WORKERS ?= --numprocesses 2 --dist loadfile
SEED ?=
MINUTES ?= 10
CALLS ?=

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: ## make every call through a real Asterisk, print a report, stay up
	$(BOOTSTRAP) python system asterisk
	@$(BIN)/skypechan demo $(ARGS)

check: ## the quick part of the tests: style, types, unit
	$(BOOTSTRAP) python
	@$(MAKE) style
	@$(BIN)/pytest tests/unit $(WORKERS)

test: ## the whole suite
	$(BOOTSTRAP) python system asterisk
	@$(MAKE) style
	@$(BIN)/pytest tests $(WORKERS)

drill: ## the long tests in full, for MINUTES=, with CALLS= at once, reproducible by SEED=
	$(BOOTSTRAP) python system asterisk
	@$(MAKE) extra
	@sh docker/bootstrap.sh browser || echo "drill: the page is not tried" >&2
	@SKYPECHAN_DRILL_SEED="$(SEED)" SKYPECHAN_DRILL_MINUTES="$(MINUTES)" \
		$(if $(CALLS),SKYPECHAN_DRILL_CALLS="$(CALLS)") \
		$(BIN)/pytest tests/drill --timeout 0

bench: ## every script in benchmarks/, the quick way; results in var/bench
	$(BOOTSTRAP) python system asterisk
	@$(MAKE) extra
	@mkdir -p var/bench
	@status=0; for script in benchmarks/*.py; do \
		name=var/bench/$$(basename "$$script" .py); \
		$(BIN)/python "$$script" --quick --json "$$name.json" --plot "$$name.png" || \
			status=$$?; \
		[ $$status -ne 130 ] || break; \
	done; exit $$status

images: ## build the container images into var/images and let them make a call
	$(BOOTSTRAP) python system images
	@sh docker/build.sh $(ARGS)
	@SKYPECHAN_IMAGES=1 $(BIN)/pytest tests/drill/test_images.py --timeout 300

machine: ## boot a Debian with systemd in var/images/machine and try the units on it
	$(BOOTSTRAP) python images
	@sh docker/build.sh machine
	@SKYPECHAN_MACHINE=var/images/machine $(BIN)/pytest tests/drill/test_systemd_machine.py \
		--timeout 300

lock: ## compute requirements.lock from pyproject.toml anew
	$(BOOTSTRAP) python
	@sh docker/lock.sh

asterisk: ## build the private Asterisk anew, from the newest packages
	@sh docker/bootstrap.sh system
	@sh docker/asterisk-root/build.sh --rebuild

.PHONY: extra
extra:
	@for package in matplotlib pesq soxr samplerate; do \
		$(BIN)/python -c "import $$package" 2>/dev/null || { \
			echo "extra: installing $$package into .venv" >&2; \
			$(BIN)/pip install --quiet --disable-pip-version-check \
				"$$(sed -n "s/^bench = .*\"\($$package[^\"]*\)\".*/\1/p" pyproject.toml)" || \
			echo "extra: $$package cannot be installed: less is measured" >&2; }; done

.PHONY: style
style:
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
