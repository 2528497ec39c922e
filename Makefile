# make run and make test are all a newcomer needs. make ci is what CI runs, and
# CI runs nothing else (.ci/run installs what it needs first).
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

GO ?= go
BIN := bin/sesame

# Seconds for all fuzz targets together, and kills of the crash test.
FUZZ_SECONDS ?= 60
KILLS ?= 200
ARGS ?=

GOLANGCI_VERSION := v2.15.0
TOOLS ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sesame/bin
GOLANGCI := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)

.PHONY: help build run test race lint fmt check fuzz crash e2e vuln cover bench figures soak ci clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  %-8s %s\n", $$1, $$2}'

build: ## build bin/sesame
	@mkdir -p bin
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN) ./cmd/sesame

run: build ## build, then start the server for a developer's machine
	$(BIN) dev $(ARGS)

test: ## all tests that need neither root nor anything installed
	$(GO) test -shuffle=on ./...

race: ## the same under the race detector
	$(GO) test -race -shuffle=on ./...

lint: $(GOLANGCI) ## the linters of .golangci.yml
	$(GOLANGCI) run ./...

$(GOLANGCI):
	@mkdir -p $(TOOLS)
	GOBIN=$(TOOLS)/new GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv $(TOOLS)/new/golangci-lint $@

fmt: ## format the code
	gofmt -l -w .

check: ## format, modules and vet, changing nothing
	@out=$$(gofmt -l .); if [ -n "$$out" ]; then echo "gofmt: $$out" >&2; exit 1; fi
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) vet -tags e2e ./internal/e2e/...

fuzz: ## every fuzz target for some seconds (FUZZ_SECONDS in all)
	.ci/fuzz $(FUZZ_SECONDS)

e2e: build ## sesame beside Postfix, Sendmail, Exim, OpenSMTPD, swaks and others
	$(GO) test -tags e2e -count=1 -timeout 10m ./internal/e2e/

crash: build ## kill -9 under load, KILLS times
	SESAME_KILLS=$(KILLS) $(GO) test -tags e2e -count=1 -timeout 12h -v -run TestKill ./internal/e2e/

vuln: ## known holes in what we import, where govulncheck is installed
	@if command -v govulncheck >/dev/null; then govulncheck ./...; else echo "vuln: skipped, govulncheck is not installed"; fi

cover: ## coverage of the tests, as cover.html
	$(GO) test -coverprofile=cover.out -coverpkg=./... ./...
	$(GO) tool cover -func=cover.out | tail -1
	$(GO) tool cover -html=cover.out -o cover.html

bench: build ## messages a second, beside the Postfix of Debian; ARGS for more
	@mkdir -p dist
	$(GO) build -o dist/bench ./bench
	dist/bench compare -sesame $(BIN) -json dist/bench.json $(ARGS)

# Each part that misses its aim says so, and the rest goes on.
figures: bench ## all of docs/performance.md, from a quiet machine; 45 min
	-dist/bench compare -sesame $(BIN) -json dist/bench.json -rows long
	-dist/bench compare -sesame $(BIN) -json dist/bench.json -rows peers -servers exim,opensmtpd
	-dist/bench latency -sesame $(BIN) -json dist/bench.json
	-dist/bench idle -sesame $(BIN) -json dist/bench.json
	-dist/bench grow -sesame $(BIN) -json dist/bench.json
	-dist/bench churn -sesame $(BIN) -json dist/bench.json
	-dist/bench deferred -sesame $(BIN) -json dist/bench.json -messages 1000000
	-dist/bench hanging-webhook -sesame $(BIN) -json dist/bench.json -runs 7 -duration 3s
	-dist/bench hanging-webhook -sesame $(BIN) -json dist/bench.json -runs 7 -duration 3s -bare
	dist/bench report -json dist/bench.json

soak: build ## the long runs before a release; takes days
	SESAME_SOAK=1 $(GO) test -count=1 -timeout 24h ./store/...
	$(MAKE) crash KILLS=10000
	$(MAKE) fuzz FUZZ_SECONDS=86400

# The end-to-end tests, a few kills among them, come last. No target may change
# what is checked in.
ci: ## what CI runs
	@state() { git status --porcelain; git diff; }; before=$$(state); \
	for target in check build lint test race fuzz vuln e2e; do \
		echo "== $$target"; started=$$SECONDS; \
		$(MAKE) --no-print-directory $$target; \
		echo "== $$target took $$((SECONDS - started)) s"; \
	done; \
	if [ "$$before" != "$$(state)" ]; then echo "ci: the tree has changed:"; state; exit 1; fi

clean: ## remove what was built
	rm -rf bin dist cover.out cover.html
