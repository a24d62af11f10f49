# build   the command, static, in bin/sonde
# test    everything that must hold before a change lands; installs what it needs by build/prepare
# test-kernels  engines, objects and the command under Linux 6.1 and 6.12, in a virtual machine
# soak    long runs that look for losses and leaks
# fuzz    every fuzz target for FUZZTIME
# bench   side by side with bpftrace, perf, ltrace, uftrace and BCC
# safety-table  write the table of docs/safety.md anew: its programs alone, under other tools, under sonde
# golden  write the expected outputs, and the lists that projects are made with, anew

GO       ?= go
FUZZTIME ?= 20s
SOAK     ?= 10m
BENCH    ?=
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
export PATH := $(PATH):/usr/local/go/bin:/usr/sbin:/sbin

.PHONY: all build test test-kernels unit vet fmt cross prepare soak fuzz bench golden safety-table clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sonde ./cmd/sonde

test: prepare fmt vet cross unit

prepare:
	build/prepare test

fmt:
	@wrong=$$(git ls-files '*.go' | xargs gofmt -l); test -z "$$wrong" || { echo "gofmt would change: $$wrong"; exit 1; }

vet:
	$(GO) vet ./...
	$(GO) vet -tags soak .
	$(if $(CI),$(GO) mod tidy -diff) # needs modules that no build does

cross:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 $(GO) build ./...

# -p 2: tests share the kernel's probes and a small machine's cores. Without cgo the tests themselves map no libc, whose functions
# some of them probe in every process.
unit:
	CGO_ENABLED=0 $(GO) test -json -count=1 -p 2 -timeout 30m ./... | $(GO) run ./build/report

test-kernels:
	build/kernels bookworm trixie

soak: build
	build/prepare test
	build/prepare soak
	SONDE_SOAK=$(SOAK) $(GO) test -tags soak -run Soak -count=1 -p 1 -timeout 6h -v ./...

fuzz:
	build/fuzz $(FUZZTIME)

bench: build
	build/prepare bench
	$(GO) run ./bench $(BENCH)

golden:
	$(GO) test ./internal/render ./internal/scaffold ./internal/valuetest -update

safety-table:
	build/prepare bench
	build/safety-table docs/safety.md

clean:
	rm -rf bin
