/* record_image PID FILE: keeps what the walkers read from a stopped Python process.  Run by scripts/record-image. */
#include <linux/types.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/interp/layout.h"
#include "core/target/target.h"
#include "tests/images/image.h"

int main(int argc, char **argv)
{
	struct fail why = {0};
	struct target *target;
	struct image image;
	struct runtime_origin from;
	unsigned major, minor, micro;
	int r;

	if (argc != 3)
		return 2;
	if (target_open(&target, (pid_t)strtol(argv[1], NULL, 10), NULL, &why) != 0) {
		fprintf(stderr, "record_image: %s\n", why.what);
		return 3;
	}
	if (sscanf(target_runtime(target)->version, "CPython %u.%u.%u", &major, &minor, &micro) != 3)
		return 1;
	from = *target_origin(target);
	from.version_hex = major << 24 | minor << 16 | micro << 8 | 0xf0;
	image_record(&image, target_mem(target), &from);
	r = image_walk(&image.mem, &from, stdout);
	if (r == 0)
		r = image_save(&image, argv[2]);
	image_free(&image);
	target_free(target);
	return r == 0 ? 0 : 1;
}
