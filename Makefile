# gilscope: `make help` prints targets and knobs.  Explicit source lists per layer; objects in build/<mode>/.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SUFFIXES:

DEBUG ?= 0
SAN ?=
WERROR ?= 0
V ?= 0
PREFIX ?= /usr/local
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool /usr/local/sbin/bpftool) bpftool)
VERSION := 0.1.0

MODE := release$(if $(filter 1,$(DEBUG)),-debug)$(if $(SAN),-san)
B := build/$(MODE)
Q := $(if $(filter 1,$(V)),,@)
SAY = $(if $(filter 1,$(V)),@:,@echo "  $(1)")

include scripts/sources.mk

PACKAGES := libbpf libelf sqlite3 jansson
CPPFLAGS := -I. -I$(B) -D_GNU_SOURCE -DGILSCOPE_VERSION='"$(VERSION)"' -D_FORTIFY_SOURCE=2
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=gnu11 $(if $(filter 1,$(DEBUG)),-O0 -g,$(CFLAGS)) -Wall -Wextra -Wstrict-prototypes -Wmissing-prototypes \
	-Wvla -Wshadow -Wno-missing-field-initializers -fstack-protector-strong -fno-common -fPIE \
	$(if $(filter 1,$(WERROR)),-Werror) $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -U_FORTIFY_SOURCE)
LDFLAGS ?= -Wl,-z,relro,-z,now
ALL_LDFLAGS := -pie $(LDFLAGS) $(if $(SAN),-fsanitize=$(SAN))
LDLIBS = $(shell pkg-config --libs $(PACKAGES)) -lpthread -lm

.PHONY: all help
all: $(B)/gilscope

include scripts/rules.mk
