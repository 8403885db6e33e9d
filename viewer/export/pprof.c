/* pprof: a gzipped Profile message.  Weights of waiting are Go's mutex and block profiles (contentions/count and
 * delay/nanoseconds), those of running are a CPU profile (samples/count and cpu/nanoseconds); both read by `go tool pprof`,
 * Pyroscope, Parca.  One location per function and line, leaf first; string 0 is empty; ids begin at 1. */
#include <errno.h>
#include <string.h>
#include <zlib.h>

#include "core/store/reader.h"
#include "core/util/escape.h"
#include "core/util/pool.h"
#include "core/util/strbuf.h"
#include "core/util/vec.h"
#include "core/util/xalloc.h"
#include "viewer/export/export.h"
#include "viewer/export/pprof.pb-c.h"
#include "viewer/export/roster.h"

struct function_key { uint64_t name, file; };
struct location_key { uint64_t function; int64_t line; };

struct pprof {
	struct reader *r;
	const struct roster *ro;
	enum flame_weight weight;
	struct arena arena;
	struct pool string_pool, function_pool, location_pool;
	vec(Pprof__Function *) functions;
	vec(Pprof__Location *) locations;
	vec(Pprof__Sample *) samples;
	struct strbuf shown;
};

/* Text is escaped: a tool that shows it on a terminal need not. */
static int64_t string(struct pprof *p, const char *text)
{
	strbuf_clear(&p->shown);
	escape_adds(&p->shown, text);
	return pool_number(&p->string_pool, p->shown.s, p->shown.n, NULL);
}

static uint64_t function(struct pprof *p, const char *name, const char *file, uint32_t first_line)
{
	struct function_key key = {(uint64_t)string(p, name), (uint64_t)string(p, file)};
	bool is_new;
	uint64_t id = pool_number(&p->function_pool, &key, sizeof(key), &is_new) + UINT64_C(1);

	if (is_new) {
		Pprof__Function *f = arena_alloc(&p->arena, sizeof(*f));

		pprof__function__init(f);
		f->id = id;
		f->name = f->system_name = (int64_t)key.name;
		f->filename = (int64_t)key.file;
		f->start_line = first_line;
		vec_push(&p->functions, f);
	}
	return id;
}

static uint64_t location(struct pprof *p, const char *name, const char *file, uint32_t line, uint32_t first_line)
{
	struct location_key key = {function(p, name, file, first_line), line};
	bool is_new;
	uint64_t id = pool_number(&p->location_pool, &key, sizeof(key), &is_new) + UINT64_C(1);

	if (is_new) {
		Pprof__Location *l = arena_alloc(&p->arena, sizeof(*l));
		Pprof__Line *at = arena_alloc(&p->arena, sizeof(*at));

		pprof__line__init(at);
		at->function_id = key.function;
		at->line = line;
		pprof__location__init(l);
		l->id = id;
		l->n_line = 1;
		l->line = arena_array(&p->arena, 1, sizeof(*l->line));
		l->line[0] = at;
		vec_push(&p->locations, l);
	}
	return id;
}

static Pprof__Label *label(struct pprof *p, const char *key, const char *text, int64_t num)
{
	Pprof__Label *l = arena_alloc(&p->arena, sizeof(*l));

	pprof__label__init(l);
	l->key = string(p, key);
	if (text)
		l->str = string(p, text);
	l->num = num;
	return l;
}

static void add_labels(struct pprof *p, Pprof__Sample *sample, const struct flame_sum *s)
{
	const struct roster_thread *t = roster_thread(p->ro, s->thread);

	sample->label = arena_array(&p->arena, 4, sizeof(*sample->label));
	if (t->known) {
		sample->label[sample->n_label++] = label(p, "thread", t->name, 0);
		sample->label[sample->n_label++] = label(p, "tid", NULL, t->tid);
		sample->label[sample->n_label++] = label(p, "pid", NULL, t->pid);
	}
	if (s->lock != MODEL_NONE)
		sample->label[sample->n_label++] = label(p, "lock", roster_lock(p->ro, s->lock)->name, 0);
}

static void add_sample(struct pprof *p, const struct flame_sum *s)
{
	Pprof__Sample *sample = arena_alloc(&p->arena, sizeof(*sample));
	const struct reader_frame *frames;
	unsigned flags, n = reader_stack_whole(p->r, s->stack, &frames, &flags);
	char leaf[FLAME_LEAF_MAX];

	pprof__sample__init(sample);
	sample->location_id = arena_array(&p->arena, n + 3, sizeof(*sample->location_id));
	flame_leaf(s, p->weight, p->ro, leaf);
	if (*leaf)
		sample->location_id[sample->n_location_id++] = location(p, leaf, "", 0, 0);
	for (unsigned i = 0; i < n; i++)
		sample->location_id[sample->n_location_id++] =
			location(p, frames[i].function, frames[i].file, frames[i].line, frames[i].first_line);
	if (!n)
		sample->location_id[sample->n_location_id++] = location(p, "[no stack]", "", 0, 0);
	if (flags & READER_STACK_F_TRUNCATED)
		sample->location_id[sample->n_location_id++] = location(p, "[truncated]", "", 0, 0);
	sample->value = arena_array(&p->arena, 2, sizeof(*sample->value));
	sample->value[sample->n_value++] = (int64_t)s->n;
	sample->value[sample->n_value++] = (int64_t)s->ns;
	add_labels(p, sample, s);
	vec_push(&p->samples, sample);
}

static int write_gzip(FILE *out, const uint8_t *bytes, size_t n)
{
	z_stream z = {.next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n};
	uint8_t chunk[1 << 15];
	int rc;

	if (n > UINT32_MAX)
		return -EFBIG;
	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = chunk;
		z.avail_out = sizeof(chunk);
		rc = deflate(&z, Z_FINISH);
		fwrite(chunk, 1, sizeof(chunk) - z.avail_out, out);
	} while (rc == Z_OK);
	deflateEnd(&z);
	return rc == Z_STREAM_END ? 0 : -EIO;
}

static int write_profile(struct pprof *p, FILE *out)
{
	const struct reader_info *info = reader_info(p->r);
	bool sampled = flame_weight_sampled(p->weight);
	Pprof__ValueType types[2] = {PPROF__VALUE_TYPE__INIT, PPROF__VALUE_TYPE__INIT}, *type_list[2] = {&types[0], &types[1]};
	Pprof__Profile profile = PPROF__PROFILE__INIT;
	int64_t comment = string(p, "made by gilscope");
	autofree uint8_t *bytes = NULL;
	char **strings;
	size_t n;

	types[0].type = string(p, sampled ? "samples" : "contentions");
	types[0].unit = string(p, "count");
	types[1].type = string(p, sampled ? "cpu" : "delay");
	types[1].unit = string(p, "nanoseconds");
	profile.n_sample_type = 2;
	profile.sample_type = type_list;
	profile.period_type = sampled ? &types[1] : &types[0];
	profile.period = sampled && info->sample_hz ? 1000000000 / info->sample_hz : 1;
	profile.default_sample_type = types[1].type;
	profile.time_nanos = (int64_t)info->start_real_ns;
	profile.duration_nanos = (int64_t)(info->end_ns - info->start_mono_ns);
	profile.n_comment = 1;
	profile.comment = &comment;
	profile.n_sample = p->samples.n;
	profile.sample = p->samples.items;
	profile.n_location = p->locations.n;
	profile.location = p->locations.items;
	profile.n_function = p->functions.n;
	profile.function = p->functions.items;
	profile.n_string_table = pool_size(&p->string_pool);
	profile.string_table = strings = arena_array(&p->arena, profile.n_string_table, sizeof(*strings));
	for (uint32_t i = 0; i < profile.n_string_table; i++)
		strings[i] = (char *)(uintptr_t)pool_key(&p->string_pool, i, NULL);
	n = pprof__profile__get_packed_size(&profile);
	bytes = xmalloc(n);
	pprof__profile__pack(&profile, bytes);
	return write_gzip(out, bytes, n);
}

static void done(struct pprof *p)
{
	pool_done(&p->string_pool);
	pool_done(&p->function_pool);
	pool_done(&p->location_pool);
	vec_done(&p->functions);
	vec_done(&p->locations);
	vec_done(&p->samples);
	strbuf_done(&p->shown);
	arena_done(&p->arena);
}

int export_pprof(struct reader *r, const struct export_options *options, FILE *out, struct fail *why)
{
	struct roster ro;
	struct flame_sums sums;
	struct pprof p = {.r = r, .ro = &ro, .shown = STRBUF_INIT};
	int err = roster_load(&ro, r);

	p.weight = options->weight == FLAME_WEIGHT_N ? FLAME_WAIT : options->weight;
	if (!err)
		err = flame_sums_load(&sums, r, &ro, p.weight);
	if (err) {
		*why = *reader_failure(r);
	} else {
		string(&p, "");
		for (size_t i = 0; i < sums.n; i++)
			add_sample(&p, &sums.items[i]);
		flame_sums_done(&sums);
		err = write_profile(&p, out);
		if (err)
			fail_set(why, err, FAIL_OTHER, "could not compress the profile: %s", strerror(-err));
	}
	done(&p);
	roster_done(&ro);
	return err;
}
