/* See check_page.h. */
#include "agent/check_page.h"

#include <string.h>

#include "core/analysis/summary.h"
#include "viewer/diff/diff.h"

void check_page_start(struct check_page *ret, bool wanted)
{
	memset(ret, 0, sizeof(*ret));
	ret->wanted = wanted;
	difference_start(&ret->difference);
	stack_difference_start(&ret->stacks);
}

int check_page_add(struct check_page *p, const char *recording, bool head, double ops, struct fail *why)
{
	struct summary *s = NULL;
	int err;

	if (!p->wanted)
		return 0;
	err = summary_load(&s, recording, why);
	if (err)
		return err;
	difference_add(&p->difference, s, head, ops);
	err = stack_difference_add(&p->stacks, s, head, why);
	summary_free(s);
	return err;
}

void check_page_write(struct check_page *p, FILE *out, const struct check_report *r)
{
	difference_finish(&p->difference);
	stack_difference_finish(&p->stacks, p->difference.base_units, p->difference.head_units);
	diff_html(out, &(struct diff_page){.difference = &p->difference, .stacks = &p->stacks, .check = r});
}

void check_page_done(struct check_page *p)
{
	stack_difference_done(&p->stacks);
	difference_done(&p->difference);
}
