/* A failure always reads as one, and whatever is said fits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "core/util/fail.h"

static void returns_what_it_was_given(void **state)
{
	struct fail why = {0};

	(void)state;
	assert_int_equal(fail_set(&why, -EPERM, FAIL_ATTACH, "could not attach to pid %d", 7), -EPERM);
	assert_string_equal(why.what, "could not attach to pid 7");
	assert_int_equal(fail_hint(&why, "Use %s.", "sudo"), -EPERM);
	assert_string_equal(why.hint, "Use sudo.");
	assert_int_equal(why.kind, FAIL_ATTACH);
}

static void a_failure_without_a_number_is_still_one(void **state)
{
	struct fail why = {0};

	(void)state;
	assert_int_equal(fail_set(&why, 0, FAIL_OTHER, "could not"), -EIO);
	assert_int_equal(why.err, -EIO);
	assert_int_equal(fail_set(NULL, -ENOENT, FAIL_OTHER, "nobody listens"), -ENOENT);
}

static void a_new_failure_drops_the_old_hint(void **state)
{
	struct fail why = {0};

	(void)state;
	fail_set(&why, -EPERM, FAIL_MACHINE, "first");
	fail_hint(&why, "Old hint.");
	fail_set(&why, -EPERM, FAIL_MACHINE, "second");
	assert_string_equal(why.hint, "");
}

static void cuts_what_is_too_long(void **state)
{
	char name[2000];
	struct fail why = {0};

	(void)state;
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	fail_set(&why, -EINVAL, FAIL_DATA, "could not open '%s'", name);
	fail_hint(&why, "%s", name);
	assert_int_equal(strlen(why.what), sizeof(why.what) - 1);
	assert_int_equal(strlen(why.hint), sizeof(why.hint) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(returns_what_it_was_given),
		cmocka_unit_test(a_failure_without_a_number_is_still_one),
		cmocka_unit_test(a_new_failure_drops_the_old_hint),
		cmocka_unit_test(cuts_what_is_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
