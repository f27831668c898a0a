# ringloom: `make train` runs the main job, `make test` the tests. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

GO       ?= go
NPROC    ?= 2
ARGS     ?=
VERSION  := $(shell git describe --always --dirty 2>/dev/null || echo development)
LDFLAGS  := -X main.version=$(VERSION)
# Debian packages: the CPU engine and the data set. apt-get needs root.
PACKAGES := libdnnl-dev dataset-fashion-mnist
# Tests of the GPU device run on an emulator, which is C++.
TEST_PACKAGES := $(PACKAGES) g++
SUDO     := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Packages with goroutines of their own; the race detector needs cgo.
RACE     := ./allreduce/... ./cluster/... ./bench/collective/... ./data/... ./bench/scaling/measure/... ./train/... ./run ./launch

# The GPU build needs no CUDA toolkit: a header of ours and a stand-in for libcuda that loads the driver at run time.
# `make build-cuda CUDA_HOME=/usr/local/cuda-11.8` takes that toolkit's header and libcuda instead; such a binary starts only
# beside a driver. A CUDA_HOME of the environment does not count: cu needs a toolkit of CUDA 11.
# The tag is gpu: cuda would switch on Gorgonia's own CUDA engine, which does not compile here.
ifeq ($(origin CUDA_HOME),command line)
CUDA_INCLUDE := $(CUDA_HOME)/include
CUDA_LINK    := $(CUDA_HOME)/lib64/stubs
CUDA_STUB    :=
else
CUDA_INCLUDE := $(CURDIR)/nn/cuda/include
CUDA_LINK    := $(CURDIR)/build/cuda
CUDA_STUB    := build/cuda/libcuda.a
endif
# What cgo needs for -tags gpu, beside $(CUDA_STUB). Everything is built with it: with other flags go would compile net, and all that
# rests on it, once more. Go's own flags (-O2 -g) stay. The race detector has a build of its own anyway: RACE_TEST is without, so that
# it shares that of other checkouts and of go by hand.
export CGO_CFLAGS  := $(shell $(GO) env CGO_CFLAGS) "-I$(CUDA_INCLUDE)"
export CGO_LDFLAGS := $(shell $(GO) env CGO_LDFLAGS) "-L$(CUDA_LINK)"
RACE_TEST = env -u CGO_CFLAGS -u CGO_LDFLAGS $(GO) test -race

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# install is a recipe that installs those of some packages which are missing.
define install
	@missing=(); for p in $(1); do dpkg -s $$p >/dev/null 2>&1 || missing+=($$p); done; \
	if (($${#missing[@]})); then \
		echo "installing $${missing[*]}"; \
		$(SUDO) apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends "$${missing[@]}" >/dev/null; \
	fi
endef

.PHONY: setup
setup: ## install what is missing of oneDNN and the data set (needs root or sudo)
	$(call install,$(PACKAGES))

.PHONY: setup-test
setup-test:
	$(call install,$(TEST_PACKAGES))

.PHONY: build
build: setup ## build bin/ringloom with the oneDNN device
	$(GO) build -tags onednn -ldflags '$(LDFLAGS)' -o bin/ringloom ./cmd/ringloom

.PHONY: build-cuda
build-cuda: setup $(CUDA_STUB) ## build bin/ringloom with the oneDNN and CUDA devices (needs no CUDA toolkit)
	$(GO) build -tags 'onednn gpu' -ldflags '$(LDFLAGS)' -o bin/ringloom ./cmd/ringloom

# All that a GPU machine without Go needs to run compare/gpu/run.py, in the folders that the sources have, so that tests find
# their files. It links nothing but libc: the machine may lack oneDNN.
KIT       := build/ringloom-gpu-kit
KIT_TESTS := nn/cuda nn/cuda/driver nn/cuda/libs
KIT_FILES := compare/gpu compare/pytorch nn/cuda/include nn/cuda/driver/testdata nn/cuda/libs/*.h
KIT_DATA  ?= /usr/share/datasets/fashion-mnist

.PHONY: gpu-kit
gpu-kit: setup $(CUDA_STUB) ## make build/ringloom-gpu-kit.tar.gz: what a GPU machine needs to test and measure (compare/gpu/run.py)
	rm -rf $(KIT) $(KIT).tar.gz && mkdir -p $(KIT)/data/fashion-mnist
	$(GO) build -tags gpu -ldflags '-s -w $(LDFLAGS)' -o $(KIT)/bin/ringloom ./cmd/ringloom
	for p in $(KIT_TESTS); do $(GO) test -c -tags gpu -ldflags '-s -w' -o $(KIT)/$$p/package.test ./$$p; done
	cp --parents $$(git ls-files $(KIT_FILES)) $(KIT)
	cp $(KIT_DATA)/*-ubyte* $(KIT)/data/fashion-mnist
	tar -C build -czf $(KIT).tar.gz $(notdir $(KIT))
	@ls -lh $(KIT).tar.gz

build/cuda/libcuda.a: $(wildcard nn/cuda/stub/*.[ch] nn/cuda/include/*.h)
	@mkdir -p build/cuda
	$(CC) -std=gnu11 -Wall -Wextra -Werror -O2 -g -fPIC -fvisibility=hidden -Inn/cuda/include -c nn/cuda/stub/forward.c -o build/cuda/forward.o
	rm -f $@ && $(AR) rcs $@ build/cuda/forward.o

.PHONY: build-purego
build-purego: ## build bin/ringloom without any C library (slow reference device)
	CGO_ENABLED=0 $(GO) build -ldflags '$(LDFLAGS)' -o bin/ringloom ./cmd/ringloom

# The images of deploy/Dockerfile; DOCKER may be podman.
DOCKER ?= docker
IMAGE  ?= ringloom

.PHONY: image image-cpu
image: ## build the container image with NVIDIA's libraries, $(IMAGE):gpu
	$(DOCKER) build -f deploy/Dockerfile --target gpu --build-arg VERSION=$(VERSION) -t $(IMAGE):gpu .

image-cpu: ## build the container image for machines without a GPU, $(IMAGE):cpu
	$(DOCKER) build -f deploy/Dockerfile --target cpu --build-arg VERSION=$(VERSION) -t $(IMAGE):cpu .

.PHONY: train
train: build ## train LeNet on Fashion-MNIST with NPROC (2) processes; ARGS goes to train
	bin/ringloom launch -n $(NPROC) -- $(ARGS)

# What is the same in several of these runs is in one of them (docs/decisions/0019-what-make-test-runs.md); test-long repeats it.
.PHONY: test
test: verify-format verify-vet test-cpu test-emulator test-race test-purego ## run the tests: format, vet, and the four that follow

.PHONY: test-cpu
test-cpu: setup-test ## run the tests with oneDNN, all but those of the other devices
	$(GO) test -vet=off -tags onednn $$($(GO) list ./... | grep -vE '/(nn/acceltest|nn/purego|nn/cuda/.*|internal/cudaemu)$$')

.PHONY: test-emulator
test-emulator: setup-test $(CUDA_STUB) ## run the emulator's own tests, and on it those of the GPU device and its kernels
	$(GO) test -vet=off ./internal/cudaemu/...
	$(GO) test -vet=off -tags gpu -short ./nn/cuda/...
	$(GO) test -vet=off -tags gpu -run 'GPU|Driver|Device' ./cmd/ringloom ./run

.PHONY: test-race
test-race: setup-test ## run the tests of packages with goroutines under the race detector
	$(RACE_TEST) -vet=off -short $(RACE)

# -short leaves to test-cpu what is the same on every device and takes the reference device long.
.PHONY: test-purego
test-purego: setup-test ## run the tests of the devices and the command without cgo
	CGO_ENABLED=0 $(GO) test -vet=off -short ./cmd/... ./run ./nn/...

# The tools of verify, at versions that go.mod's Go builds. They run by version, so that go.mod does not name them.
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
DEADCODE    := golang.org/x/tools/cmd/deadcode@v0.52.0
MISSPELL    := github.com/golangci/misspell/cmd/misspell@v0.8.0
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# American spellings in names of Go, C and CSS, and of the emulator; ours are British.
FOREIGN     := sanitize,fiber,fibers,synchronize,serialize,color,normalize,unauthorized,signaled
VERIFY      := format vet static dead spelling modules vulnerabilities rules

.PHONY: verify $(VERIFY:%=verify-%)
verify: $(VERIFY:%=verify-%) ## check the sources without running them: format, vet, staticcheck, dead code, spelling, go.mod, vulnerabilities, imports, docs

verify-format:
	@unformatted=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go')); \
	if [[ -n $$unformatted ]]; then echo "not gofmt-ed: $$unformatted"; exit 1; fi

# Between them the two have every file.
verify-vet: setup-test $(CUDA_STUB)
	$(GO) vet -tags 'onednn gpu' ./...
	CGO_ENABLED=0 $(GO) vet ./...

# All three builds at once: what one of them does not use, another may.
verify-static: setup-test $(CUDA_STUB)
	printf '%s\n' 'cpu: -tags=onednn' 'gpu: -tags=onednn,gpu' 'none: CGO_ENABLED=0' | $(GO) run $(STATICCHECK) -matrix ./...

verify-dead: setup-test $(CUDA_STUB)
	.ci/deadcode $(GO) $(DEADCODE)

verify-spelling:
	$(GO) run $(MISSPELL) -error -locale UK -i $(FOREIGN) $$(git ls-files -co --exclude-standard '*.go' '*.md')

verify-modules:
	$(GO) mod tidy -diff

# govulncheck's database is fetched; without it this is skipped.
verify-vulnerabilities: setup-test $(CUDA_STUB)
	.ci/vulnerabilities $(GO) $(GOVULNCHECK)

verify-rules:
	$(GO) test -count=1 .

FUZZTIME ?= 1m

.PHONY: test-long
test-long: setup-test $(CUDA_STUB) ## run the long tests: thousands of faults, everything repeated, and every fuzz target for FUZZTIME (1m)
	RINGLOOM_TEST_LONG=1 $(GO) test -timeout 60m ./allreduce/... ./cluster ./cmd/ringloom
	RINGLOOM_TEST_LONG=1 $(GO) test -tags onednn -timeout 60m ./train
	RINGLOOM_TEST_LONG=1 $(GO) test -tags onednn -run OtherSeeds -timeout 60m ./nn/onednn
	$(GO) test -tags onednn -count=5 -timeout 60m ./...
	$(RACE_TEST) -timeout 60m $(RACE)
	CGO_ENABLED=0 $(GO) test -timeout 60m ./cmd/... ./run ./nn/...
	for seed in 0 1 2 3; do \
		RINGLOOM_EMULATOR_SEED=$$seed $(GO) test -tags gpu -count=1 -timeout 60m ./nn/cuda/...; \
	done
	@grep -rlE '^func Fuzz' --include=*_test.go . | while read -r file; do \
		for target in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]+).*/\1/p' $$file); do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$file); \
		done; \
	done

# A seed of its own: make campaign SEED=new. RINGLOOM_TEST_LONG=1 has longer fuzzing and the C code under sanitizers.
SEED ?= 1

.PHONY: campaign
campaign: setup-test ## kill, pause, part, annoy and damage jobs at moments of a seed, SEED (1), and fuzz; a table says what came of it
	RINGLOOM_CAMPAIGN=$(SEED) $(GO) test -vet=off -tags onednn -count=1 -v -timeout 60m -run '^TestCampaign$$' ./cmd/ringloom

.PHONY: bench
bench: setup ## benchmark the kernels, the ring and the training step on this machine
	$(GO) test -tags onednn -run '^$$' -bench . -benchmem ./nn/... ./allreduce/... ./data/... ./train/...

.PHONY: compare
compare: build ## train LeNet beside PyTorch DDP, in turn, and print both speeds (needs python3-torch, libopenblas0-pthread)
	compare/compare.sh

.PHONY: compare-allreduce
compare-allreduce: build ## time all-reduces beside PyTorch's gloo, in turn (needs python3-torch); ARGS goes to compare/allreduce_compare.py
	compare/allreduce_compare.py $(ARGS)

.PHONY: compare-elastic
compare-elastic: build ## kill ranks of an elastic job and of torchrun's, in turn, and print the pauses (needs python3-torch); ARGS goes to compare/elastic_peer.py
	compare/elastic_peer.py $(ARGS)

.PHONY: compare-step
compare-step: build ## speed and error of a training step of every model, tuned and strict, beside PyTorch; ARGS goes to compare/step_compare.py
	compare/step_compare.py $(ARGS)

.PHONY: compare-curve
compare-curve: build ## train googlenet-bn for an epoch beside PyTorch DDP: loss, accuracy, speed; ARGS goes to compare/curve.py
	compare/curve.py $(ARGS)

.PHONY: compare-wire
compare-wire: build ## train LeNet for an epoch in every way in which gradients can travel: loss, accuracy, bytes; ARGS goes to compare/wire.py
	compare/wire.py $(ARGS)

.PHONY: compare-builds
compare-builds: build ## compare this build's speed with that of another binary, OLD, in turn; ARGS goes to compare/builds.py
	compare/builds.py $(OLD) bin/ringloom $(ARGS)

.PHONY: kills
kills: build ## kill a rank of an elastic launch every 15 s for 10 minutes, and say what it costs; ARGS goes to compare/kills.py
	compare/kills.py $(ARGS)

.PHONY: shaped
shaped: build ## measure the ring between hosts in network namespaces with shaped lines (needs root, iproute2); ARGS goes to compare/shaped.py
	compare/shaped.py $(ARGS)

.PHONY: clean
clean: ## remove what make build made
	rm -rf bin build
