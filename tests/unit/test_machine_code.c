/* References in the code of exported functions, as compilers of several decades wrote them (bytes of real builds). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/target/machine_code.h"

#define ALL 255u

static void finds(const uint8_t *code, size_t n, uint64_t addr, struct code_ref expected)
{
	struct code_ref ref = {0};

	assert_int_equal(machine_code_refs(code, n, addr, expected.kind, &ref, 1), 1);
	assert_int_equal(ref.kind, expected.kind);
	assert_int_equal(ref.width, expected.width);
	assert_int_equal(ref.value, expected.value);
}

static void each_form(void **state)
{
	static const uint8_t head[] = { 0x48, 0x8b, 0x05, 0x49, 0xa3, 0x18, 0x00, 0xc3 }; /* 3.6 PyInterpreterState_Head */
	static const uint8_t interval[] = { 0x48, 0x89, 0x3d, 0x59, 0x0d, 0x16, 0x00, 0xc3 }; /* 3.6 _PyEval_SetSwitchInterval */
	static const uint8_t locked[] = { 0x8b, 0x05, 0x32, 0x0d, 0x16, 0x00, 0xf7, 0xd0, 0xc3 }; /* 3.6 PyEval_ThreadsInitialized */
	static const uint8_t created[] = { 0x31, 0xc0, 0x48, 0x83, 0x3d, 0x26, 0x7c, 0x10, 0x00, 0x00, 0x0f, 0x95, 0xc0, 0xc3 }; /* 2.7 the same */
	static const uint8_t slot[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x64, 0x48, 0x8b, 0x04, 0x25, 0xd8, 0xff, 0xff, 0xff, 0xc3 }; /* 3.15 */
	static const uint8_t lea[] = { 0x48, 0x8d, 0x3d, 0x10, 0x00, 0x00, 0x00, 0xc3 };
	static const uint8_t exchange[] = { 0xf0, 0x48, 0x0f, 0xb1, 0x15, 0xf0, 0xff, 0xff, 0xff, 0x90 };

	static const uint8_t call[] = { 0xe8, 0xdb, 0xef, 0xff, 0xff, 0xc3 };
	static const uint8_t unequal[] = { 0x0f, 0x85, 0x78, 0x01, 0x00, 0x00, 0xe8, 0xb3 }; /* PyPy 7.3.19 pypy_thread_attach */
	static const uint8_t argument[] = { 0x31, 0xf6, 0xbf, 0xe0, 0x50, 0xb9, 0x00, 0xc3 };

	(void)state;
	finds(call, sizeof(call), 0x144620, (struct code_ref){ CODE_REF_CALL, 0, 0x143600 });
	finds(unequal, sizeof(unequal), 0x10e9712, (struct code_ref){ CODE_REF_UNEQUAL, 0, 0x10e9890 });
	finds(argument, sizeof(argument), 0x42c080, (struct code_ref){ CODE_REF_ADDRESS, 8, 0xb950e0 });
	finds(head, sizeof(head), 0x174b90, (struct code_ref){ CODE_REF_LOAD, 8, 0x2feee0 });
	finds(interval, sizeof(interval), 0x144260, (struct code_ref){ CODE_REF_STORE, 8, 0x2a4fc0 });
	finds(locked, sizeof(locked), 0x144280, (struct code_ref){ CODE_REF_LOAD, 4, 0x2a4fb8 });
	finds(created, sizeof(created), 0xef8e0, (struct code_ref){ CODE_REF_COMPARE, 8, 0x1f7510 });
	finds(slot, sizeof(slot), 0x42f44a, (struct code_ref){ CODE_REF_THREAD, 8, (uint64_t)-0x28 });
	finds(lea, sizeof(lea), 0x1000, (struct code_ref){ CODE_REF_ADDRESS, 8, 0x1017 });
	finds(exchange, sizeof(exchange), 0x1000, (struct code_ref){ CODE_REF_EXCHANGE, 8, 0xff9 });
}

static void cut_and_empty_code(void **state)
{
	static const uint8_t code[] = { 0xf0, 0x48, 0x0f, 0xb1, 0x15, 0xf0, 0xff, 0xff, 0xff, 0x48, 0x83, 0x3d, 1, 2, 3, 4, 0 };
	struct code_ref ref[4];

	(void)state;
	for (size_t from = 0; from <= sizeof(code); from++)
		for (size_t n = 0; n <= sizeof(code) - from; n++)
			assert_true(machine_code_refs(code + from, n, 0, ALL, ref, 4) <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_form), cmocka_unit_test(cut_and_empty_code) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
