# The everyday verbs. `make test` is what continuous integration runs.

.PHONY: test lint bench compat demo

# All tests, on real HTTP and real files. Uses cargo-nextest where it is installed; the documentation's examples are tests too.
test:
	@if cargo nextest --version >/dev/null 2>&1; then \
	    cargo nextest run --workspace --no-fail-fast; \
	else \
	    cargo test --workspace --no-fail-fast; \
	fi

# Formatting, clippy with warnings as errors, documentation; dependency rules where cargo-deny is installed.
lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items
	@if cargo deny --version >/dev/null 2>&1; then cargo deny check bans licenses sources; \
	else echo "cargo-deny is not installed: dependency rules not checked (cargo install cargo-deny)"; fi

# Speed and memory, against bare loops in the same run.
bench:
	cargo bench --workspace

# Against other people's programs: the aimock server (npm) and the openai client (PyPI).
compat:
	tests/compat/run

# The simulated demonstration.
demo:
	cargo run --release -- run
