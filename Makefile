# hull's commands for people. The build itself is CMake (CMakeLists.txt, CMakePresets.json).
PREFIX ?= /usr/local
DESTDIR ?=
RELEASE = build/release
LIBEXEC = $(DESTDIR)$(PREFIX)/libexec/hull
SHARE = $(DESTDIR)$(PREFIX)/share/hull

.PHONY: all build debug demo check bench install install-links uninstall format asan fuzz clean help
all: build

help:
	@echo "make            build a release into $(RELEASE)"
	@echo "make demo       build, then tell the tutorial and check each claim (root)"
	@echo "make check      build, then run every test (root)"
	@echo "make bench      build, then compare with the kernel's floor and with other engines (root)"
	@echo "make install    install under PREFIX=$(PREFIX) (and DESTDIR), with the link hull-oci; install-links adds unshare, nsenter, lsns, docker"
	@echo "make asan       build with ASan and UBSan and run every test"
	@echo "make fuzz       build the fuzz targets with clang and run each FUZZ_SECONDS=20"
	@echo "make format     clang-format all sources"

build:
	@tools/install-packages build tests
	@tools/build release

debug:
	@tools/install-packages build tests
	@tools/build debug

demo:
	@tools/install-packages build tests demo
	@tools/build release
	@tools/demo

check:
	@tools/install-packages build tests demo bench
	@echo "== build"
	@tools/build release
	@echo "== the demo's images (cached in build/images)"
	@images/build-demo
	@tools/check release

bench:
	@tools/install-packages build tests bench
	@tools/build release
	@tests/bench/run
	@tests/bench/ns_bench.py
	@tests/bench/oci_bench.py

asan:
	@tools/install-packages build tests asan
	@tools/build asan
	@images/build-demo
	@tools/check asan

fuzz:
	@tools/install-packages build tests fuzz
	@tools/build fuzz
	@tools/fuzz

install: build
	install -D -m 0755 $(RELEASE)/hull $(DESTDIR)$(PREFIX)/bin/hull
	ln -sf hull $(DESTDIR)$(PREFIX)/bin/hull-oci
	for program in hull-shim hull-port hull-image; do \
	  install -D -m 0755 $(RELEASE)/$$program $(LIBEXEC)/$$program || exit 1; done
	@if [ -d $(RELEASE)/images ]; then \
	  mkdir -p $(SHARE)/images && cp -R $(RELEASE)/images/. $(SHARE)/images/; fi

# Called through a link of such a name, hull takes that program's command line.
install-links: install
	for name in unshare nsenter lsns docker; do ln -sf hull $(DESTDIR)$(PREFIX)/bin/$$name || exit 1; done

uninstall:
	for name in unshare nsenter lsns docker hull-oci; do \
	  [ "$$(readlink $(DESTDIR)$(PREFIX)/bin/$$name)" != hull ] || rm -f $(DESTDIR)$(PREFIX)/bin/$$name; done
	rm -rf $(DESTDIR)$(PREFIX)/bin/hull $(LIBEXEC) $(SHARE)

format:
	@tools/install-packages format
	git ls-files '*.cpp' '*.h' '*.c' | xargs clang-format-19 -i

clean:
	rm -rf build
