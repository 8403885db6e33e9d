/* What a parked thread waits for, in a little memory laid out by hand: a thread's stack, its state, an interpreter, objects and their types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/interp/frames.h"
#include "core/interp/layout.h"
#include "core/interp/runtime.h"
#include "core/interp/world.h"
#include "tests/unit/small_memory.h"

#define TSTATE (BASE + 0x1000)
#define OTHER (BASE + 0x1800) /* another thread's state */
#define INTERP (BASE + 0x2000)
#define OBJECT (BASE + 0x8000)
#define TYPE (BASE + 0x8100) /* of the object */
#define META (BASE + 0x8200) /* `type` */
#define SEMA (BASE + 0x108)
#define RUNTIME_WORLD (BASE + 0x9000)
#define IDENT 0x7f0000001000
#define OTHER_IDENT 0x7f0000002000

static const struct layout *row;
static struct walk_layout walk;

static void lay_out(bool free_threaded)
{
	memset(memory, 0, sizeof(memory));
	row = layout_find_build(0x030e0000, free_threaded);
	assert_non_null(row);
	assert_int_equal(runtime_walk_layout(row, &walk), 0);
	walk.world = free_threaded ? RUNTIME_WORLD : 0;
	put(TSTATE + row->tstate_interp, INTERP, 8);
	put(TSTATE + row->tstate_thread_id, IDENT, 8);
	put(OTHER + row->tstate_interp, INTERP, 8);
	put(OTHER + row->tstate_thread_id, OTHER_IDENT, 8);
	put(OBJECT + row->object_type, TYPE, 8);
	put(TYPE + row->object_type, META, 8);
	put(META + row->object_type, META, 8);
	put(RUNTIME_WORLD + 3, 1, 1); /* is_global */
}

static struct parked look(uint64_t at)
{
	struct parked p;

	put(SEMA - 8, at, 8);
	frames_parked(&walk, &mem, TSTATE, IDENT, SEMA, &p);
	return p;
}

static void assert_parked(uint64_t at, uint32_t as, uint64_t owner)
{
	struct parked p = look(at);

	assert_int_equal(p.as, as);
	assert_int_equal(p.owner, owner);
}

static void on_objects_and_mutexes(void **state)
{
	(void)state;
	lay_out(true);
	put(OBJECT + row->object_mutex, 3, 1);
	assert_parked(OBJECT + row->object_mutex, EV_PARKED_OBJECT, 0);
	put(OBJECT + 32, 3, 1); /* the body's first byte: a Lock … */
	assert_parked(OBJECT + 32, EV_PARKED_LOCK, 0);
	put(OBJECT + 40, OTHER_IDENT, 8); /* … an RLock */
	assert_parked(OBJECT + 32, EV_PARKED_LOCK, OTHER_IDENT);
	put(META + row->object_type, OBJECT, 8); /* a chain of types that leads nowhere */
	assert_parked(OBJECT + row->object_mutex, EV_PARKED_MUTEX, 0);
	put(BASE + 0x9101, 3, 1);
	assert_parked(BASE + 0x9101, EV_PARKED_MUTEX, 0);
	put(TSTATE + row->tstate_critical, BASE + 0x200, 8);
	assert_parked(BASE + 0x9101, EV_PARKED_SECTION, 0);
	put(BASE + 0x9101, 2, 1); /* an event */
	assert_parked(BASE + 0x9101, EV_PARKED_ELSEWHERE, 0);
	assert_parked(0x10, EV_PARKED_ELSEWHERE, 0);
	assert_parked(0, EV_PARKED_NOT, 0);
}

static void with_the_gil(void **state)
{
	(void)state;
	lay_out(false);
	put(OBJECT + 16, 3, 1);
	assert_parked(OBJECT + 16, EV_PARKED_LOCK, 0);
	put(OBJECT + 10, 3, 1); /* objects have no lock of their own */
	assert_parked(OBJECT + 10, EV_PARKED_MUTEX, 0);
}

static void stopped_by(uint64_t world)
{
	struct parked p;

	lay_out(true);
	put(TSTATE + row->tstate_state, 2, 4);
	put(world + 1, 1, 1);
	put(world + 16, OTHER, 8);
	p = look(TSTATE + row->tstate_state);
	assert_int_equal(p.as, EV_PARKED_STOPPED);
	assert_int_equal(p.owner, OTHER_IDENT);
	assert_int_equal(p.at, world);
	assert_parked(world, EV_PARKED_STOPPED, OTHER_IDENT); /* wants to stop it too: its turn comes after the other's */
	assert_parked(world + 4, EV_PARKED_STOPPING, 0);
}

static void by_a_stop_of_the_world(void **state)
{
	(void)state;
	lay_out(true);
	stopped_by(INTERP + row->interp_world);
	stopped_by(RUNTIME_WORLD);
	lay_out(true); /* it goes on: nobody is named */
	assert_parked(TSTATE + row->tstate_state, EV_PARKED_STOPPED, 0);
	assert_parked(OTHER + row->tstate_state, EV_PARKED_ELSEWHERE, 0); /* another thread's state is none of its business */
}

static void the_world_is_found_nearby(void **state)
{
	(void)state;
	lay_out(true);
	assert_int_equal(world_find(&mem, RUNTIME_WORLD), RUNTIME_WORLD);
	assert_int_equal(world_find(&mem, RUNTIME_WORLD + 24), RUNTIME_WORLD);
	assert_int_equal(world_find(&mem, RUNTIME_WORLD - 24), RUNTIME_WORLD);
	assert_int_equal(world_find(&mem, RUNTIME_WORLD + 0x1000), 0);
	assert_int_equal(world_find(&mem, BASE), 0);
	put(RUNTIME_WORLD + 1, 7, 1);
	assert_int_equal(world_find(&mem, RUNTIME_WORLD), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_objects_and_mutexes),
		cmocka_unit_test(with_the_gil),
		cmocka_unit_test(by_a_stop_of_the_world),
		cmocka_unit_test(the_world_is_found_nearby),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
