#pragma once
/* A little memory that a test lays out by hand and the readers of an interpreter read as if it were a process's: from BASE on, SMALL_MEMORY bytes,
 * nothing around it.  Header only: each test program has its own. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "core/interp/mem.h"

#define BASE 0x100000
#define SMALL_MEMORY 0x10000

static uint8_t memory[SMALL_MEMORY];

static int memory_read(const struct mem *m, uint64_t addr, void *ret, size_t len)
{
	(void)m;
	if (addr < BASE || addr - BASE > sizeof(memory) || len > sizeof(memory) - (addr - BASE))
		return -EFAULT;
	memcpy(ret, memory + (addr - BASE), len);
	return 0;
}

static const struct mem mem = { memory_read };

static void put(uint64_t at, uint64_t value, size_t n)
{
	memcpy(memory + (at - BASE), &value, n);
}
