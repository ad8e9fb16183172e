# The everyday verbs. `make test` is what continuous integration runs.

.PHONY: test soak soak-budget lint bench compat fuzz demo deploy-check dist dist-check

# All tests, on real HTTP, real files, a RabbitMQ and a Redis that are started for them and end with them. Uses
# cargo-nextest where it is installed, with two tests for each processor, as most of their time is waiting.
test:
	@tests/servers/install
	@if cargo nextest --version >/dev/null 2>&1; then \
	    cargo run -q -p valuesim-test-servers -- with cargo nextest run --workspace --no-fail-fast \
	        --test-threads $$((2 * $$(getconf _NPROCESSORS_ONLN))); \
	else \
	    cargo run -q -p valuesim-test-servers -- with cargo test --workspace --no-fail-fast; \
	fi

# Thousands of cells while processes, servers and lines fail, one after the other; some minutes. VALUESIM_SOAK_SEED=7
# make soak tells another story, and the same one each time.
soak:
	@tests/servers/install
	cargo test --release --test fleet -- --ignored --exact soak::soak --nocapture

# Formatting, clippy with warnings as errors, documentation; dependency rules where cargo-deny is installed.
# A fleet's budget in 200 random runs with kills and restarts of workers, coordinator and Redis, which is flushed, too: an hour or
# two. VALUESIM_BUDGET_RUNS=20 VALUESIM_BUDGET_SEED=300 make soak-budget tells other stories.
soak-budget:
	@tests/servers/install
	cargo test --release --test fleet -- --ignored --exact budget::soak --nocapture

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; \
	else echo "cargo-deny is not installed: dependency rules not checked (cargo install cargo-deny)"; fi

# Speed and memory, against bare loops in the same run; RabbitMQ and Redis are started for it. About half an hour.
bench:
	@tests/servers/install
	cargo bench --workspace

# Against other people's programs: the aimock server (npm), LiteLLM's proxy, the openai client and a model of embeddings (PyPI), Chromium on the live
# page and on a report (playwright-core and axe-core from npm); the statistics against scipy, statsmodels and, where it is installed,
# R's survey.
compat:
	tests/compat/run

# Hostile input at every door (files, experiments, messages of queues, manifests, values of the store, replies): a million cases for each cheap target, fewer for those that read files. About ten minutes.
# VALUESIM_FUZZ_CASES=10000000 make fuzz goes deeper.
fuzz: export VALUESIM_FUZZ_CASES ?= 1000000
fuzz:
	cargo test --profile fuzz -p valuesim-shared --test fuzz --test reply_grammar
	cargo test --profile fuzz -p valuesim-worker -p valuesim-coordinator --lib fuzz
	VALUESIM_CORRUPTIONS=1000 cargo test --profile fuzz --test command corrupted -- --nocapture

# The simulated demonstration.
demo:
	cargo run --release -- run

# deploy/ and k8s/ without a cluster: rendering, schemas, policies, the image, and a real Prometheus whose alerts fire at a
# fleet that fails. Installs its tools under target/.
deploy-check:
	deploy/check/run

# A release of this platform in dist/: wheel, archive, bill of materials, checksums. About ten minutes.
dist:
	packaging/dist

# The release in dist/, as whoever downloads it uses it. Installs its tools under target/.
dist-check:
	packaging/check
