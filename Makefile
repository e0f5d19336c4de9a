# rl: see README.md. `make help` lists the targets.

GO        ?= go
PREFIX    ?= /usr/local
GOARCH    ?= $(shell $(GO) env GOARCH 2>/dev/null)
FUZZTIME  ?= 10s
BENCHARGS ?=
TESTARGS  ?=
VERSION   ?= $(shell git -c safe.directory='*' describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT    ?= $(shell git -c safe.directory='*' rev-parse --short HEAD 2>/dev/null)

# The tags leave out what would need C libraries: gpgme and btrfs.
TAGS := containers_image_openpgp,exclude_graphdriver_btrfs

export GOARCH
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false -tags=$(TAGS)

LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
CARRIED := cmd/rl/carried/rl-full

.PHONY: all build install demo test test-vm bench lint fuzz packages clean help

all: build

# Two programs become one file: the full one, which links the image copier and
# the network, is carried inside the light one, which starts in a millisecond
# or two and answers run, exec and ps.
build:
	@command -v $(GO) >/dev/null || { echo 'rl: $(GO) is missing: get it from https://go.dev/dl/ and put its bin folder into PATH'; exit 1; }
	@mkdir -p bin $(dir $(CARRIED))
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(CARRIED) ./cmd/rl
	sha256sum $(CARRIED) | cut -c 1-64 | tr -d '\n' > $(CARRIED).sum
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -tags $(TAGS),split -o bin/rl ./cmd/rl

install: build
	install -D -m 0755 bin/rl $(DESTDIR)$(PREFIX)/bin/rl

demo: build
	@$(GO) run ./integration/demo bin/rl

test: build
	@integration/packages.sh test
	$(GO) test -timeout 60m -skip "^TestVM" $(TESTARGS) ./...

test-vm: build
	@integration/packages.sh vm
	RL_VM=1 $(GO) test -timeout 30m -run '^TestVM' $(TESTARGS) ./integration

bench: build
	@integration/packages.sh bench
	$(GO) run ./integration/bench $(BENCHARGS)

lint:
	@mkdir -p $(dir $(CARRIED)) && touch -a $(CARRIED) $(CARRIED).sum
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "not formatted by gofmt: $$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags $(TAGS),split ./cmd/rl
	$(GO) tool staticcheck ./...
	$(GO) tool staticcheck -tags $(TAGS),split ./cmd/rl

# Every fuzz test for FUZZTIME; what they find is kept below testdata.
fuzz:
	@for pkg in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -r -n1 dirname | sort -u); do \
		for name in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' $$pkg/*_test.go); do \
			echo "$$pkg $$name"; \
			$(GO) test -run '^$$' -fuzz "^$$name$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
		done; \
	done

clean:
	rm -rf bin $(CARRIED) $(CARRIED).sum

help:
	@echo 'make build                the program: bin/rl, one static file (GOARCH=arm64 for the other machine)'
	@echo 'make install PREFIX=DIR   put it at DIR/bin/rl (default /usr/local)'
	@echo 'make demo                 build it and run a container with a memory limit'
	@echo 'make test                 all tests but those of the virtual machine'
	@echo 'make test-vm              limits, services and logout, in a virtual machine with systemd'
	@echo 'make bench                the tables that compare rl with crun, runc, bubblewrap, podman, buildah and tar'
	@echo 'make lint                 gofmt, go vet, staticcheck'
	@echo 'make fuzz FUZZTIME=10s    every fuzz test for that long'
	@echo 'make clean                remove what was built'
