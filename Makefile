# What people type. Everything but `clean` first sees to node_modules (npm ci) and, where it needs them, to the
# programs of the system (apt-get, when root).
.PHONY: all proxygw proxygwctl install uninstall deb generate check test test-vm test-deb fuzz soak demo bench bench-docs clean

all: proxygw proxygwctl

SOURCES := $(shell find cmd pkg plugin -name '*.ts' -not -name '*.test.ts' 2>/dev/null)
VERSION := $(shell sed -n 's/^  "version": "\(.*\)",/\1/p' package.json)

# One file each. Native packages stay outside: they are loaded from node_modules, and only when needed, by require(): import() looks for
# them the long way. What only people read is left out, since each start reads all of it; names stay, for stack traces.
BUNDLE := node_modules/.bin/esbuild --bundle --platform=node --target=node20 --format=cjs --log-level=warning \
	--minify-whitespace --minify-syntax --line-limit=200 --supported:dynamic-import=false --external:koffi --external:unix-dgram --define:PROXYGW_VERSION='"$(VERSION)"' \
	--define:process.env.CBOR_NATIVE_ACCELERATION_DISABLED='"true"' --banner:js='\#!/usr/bin/env node'

proxygw: build/proxygw
proxygwctl: build/proxygwctl

build/%: cmd/%/main.ts $(SOURCES) package.json Makefile node_modules/.package-lock.json
	@mkdir -p build
	@echo '{ "type": "commonjs" }' > build/package.json
	$(BUNDLE) $< --outfile=$@ --metafile=$@.meta.json
	@chmod 755 $@

node_modules/.package-lock.json: package.json package-lock.json
	@sh test/setup/node.sh
	@# unix-dgram is compiled; without a compiler proxygw works all the same (it then tells systemd through systemd-notify)
	@[ "$$(id -u)" != 0 ] || sh test/setup/programs.sh g++ make python3
	npm ci --no-audit --no-fund
	@touch $@

# Where `make install` puts things; to be changed on make's command line. DESTDIR is put before all of them.
PREFIX = /usr/local
prefix = $(PREFIX)
exec_prefix = $(prefix)
bindir = $(exec_prefix)/bin
libdir = $(exec_prefix)/lib
datadir = $(prefix)/share
mandir = $(datadir)/man
docdir = $(datadir)/doc/proxygw
# not below PREFIX: the programs look for /etc/proxygw.yaml
sysconfdir = /etc
unitdir = $(prefix)/lib/systemd/system
bashcompdir = $(datadir)/bash-completion/completions
zshcompdir = $(datadir)/zsh/site-functions
fishcompdir = $(datadir)/fish/vendor_completions.d
pkglibdir = $(libdir)/proxygw
pkgdatadir = $(datadir)/proxygw
export DESTDIR bindir pkglibdir pkgdatadir mandir docdir sysconfdir unitdir bashcompdir zshcompdir fishcompdir

install: all
	@sh init/install/install.sh install

uninstall:
	@sh init/install/install.sh uninstall

# build/proxygw_VERSION_ARCH.deb; init/debian/build.sh tells of DEB_NODE=bundled|system and others
deb: export DEB_VERSION ?= $(VERSION)
deb: export DEB_COMPRESSION ?= -Zxz
deb:
	@sh test/setup/programs.sh dpkg-deb dpkg-shlibdeps strip
	@$(MAKE) --no-print-directory all
	@env -u DESTDIR prefix=/usr bindir=/usr/bin pkglibdir=/usr/lib/proxygw pkgdatadir=/usr/share/proxygw mandir=/usr/share/man \
		docdir=/usr/share/doc/proxygw sysconfdir=/etc unitdir=/usr/lib/systemd/system \
		bashcompdir=/usr/share/bash-completion/completions zshcompdir=/usr/share/zsh/vendor-completions \
		fishcompdir=/usr/share/fish/vendor_completions.d sh init/debian/build.sh

# plugin.yaml and the schemas in TypeScript -> cmd/proxygw/*.gen.ts, configs/*.schema.json, docs/reference.md and init/man
generate: node_modules/.package-lock.json
	node_modules/.bin/tsx cmd/generate/main.ts

# two at a time, and all of them even if one finds something
CHECKS := check-lint check-types check-format check-layers check-unused check-generated
.PHONY: $(CHECKS)
check: node_modules/.package-lock.json
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target --keep-going $(CHECKS)
check-lint:
	node_modules/.bin/eslint .
check-types:
	node_modules/.bin/tsc -p .
check-format:
	node_modules/.bin/prettier --check --log-level warn .
check-layers:
	node_modules/.bin/depcruise --config .dependency-cruiser.cjs cmd pkg plugin
check-unused:
	node_modules/.bin/knip
check-generated:
	node_modules/.bin/tsx cmd/generate/main.ts --check

TEST_PROGRAMS := nft conntrack iptables ip unshare curl nc python3 dig pgrep systemd-analyze zsh fish bash-completion openssl promtool \
	postgres redis-server redis-cli dnsmasq dropbear ssh wakeonlan

test: all
	@sh test/setup/programs.sh $(TEST_PROGRAMS)
	@sh test/run.sh

# all that runs in namespaces, on Debian's own kernel in a virtual machine
test-vm: all
	@sh test/setup/programs.sh $(TEST_PROGRAMS)
	@bash test/vm/suite.sh all

# the Debian package: in a bare Debian 12, and under systemd in a virtual machine; takes a Debian archive
test-deb:
	@sh test/setup/programs.sh debootstrap dpkg-deb dpkg-shlibdeps strip unshare nsenter setpriv pgrep nft curl ip
	rm -f build/proxygw_*.deb
	@$(MAKE) --no-print-directory deb DEB_COMPRESSION="-Zgzip -z1"
	bash test/package/suite.sh

# The property-based tests of `make test` with other inputs, and more: so many of each (RUNS), or for so long each (MINUTES).
# SEED repeats what failed, FILE picks one file.
RUNS ?= 1000000
fuzz: node_modules/.package-lock.json
	@seed="$(SEED)"; [ -n "$$seed" ] || seed=$$(od -An -N3 -tu4 /dev/urandom | tr -d ' '); \
	echo "make fuzz SEED=$$seed $(if $(MINUTES),MINUTES=$(MINUTES),RUNS=$(RUNS))"; \
	FUZZ_SEED=$$seed FUZZ_RUNS=$(RUNS) $(if $(MINUTES),FUZZ_MINUTES=$(MINUTES)) \
		node_modules/.bin/vitest run --project fuzz $(FILE)

# Random clients and faults for so many minutes; SEED repeats the choices of a run. MINUTES=0: each fault once.
soak: export MINUTES ?= 10
soak: all
	@sh test/setup/programs.sh nft conntrack iptables ip unshare nc python3
	@sh test/soak/run.sh

demo: all
	@sh test/setup/programs.sh nft iptables ip unshare curl python3
	@bash test/demo/demo.sh

# ONLY=warm,cold,scale,storm,held,idle  ROUNDS=5  SHORT=1; measures, prints, and saves in build/bench
bench: all
	@sh test/setup/programs.sh nft iptables ip unshare ss python3 haproxy nginx nginx-stream socat systemd-socket-activate wrk iperf3
	@sh test/bench/run.sh "ONLY=$(ONLY)" "ROUNDS=$(ROUNDS)" "SHORT=$(SHORT)"

# the last whole run -> docs/bench.svg, the tables of docs/performance.md and README.md
bench-docs: node_modules/.package-lock.json
	node_modules/.bin/tsx test/bench/main.ts publish

clean:
	rm -rf build
