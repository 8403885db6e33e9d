/* See html.h. */
#include "viewer/html/html.h"

#include <errno.h>
#include <string.h>

#include "core/analysis/summary.h"
#include "core/util/strbuf.h"
#include "viewer/html/bundle.h"
#include "viewer/html/data.h"
#include "viewer/html/markup.h"
#include "viewer/html/static_part.h"

static void put_head(FILE *out, const struct summary *s)
{
	autostrbuf title = STRBUF_INIT;

	if (s->n_processes) {
		markup_text(&title, s->processes[0].name);
		strbuf_adds(&title, s->n_processes > 1 ? " and others – " : " – ");
	}
	fprintf(out,
		"<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src '%s'; style-src '%s'; "
		"img-src data: blob:; base-uri 'none'; form-action 'none'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n"
		"<meta name=\"generator\" content=\"gilscope " GILSCOPE_VERSION "\">\n<title>%sgilscope</title>\n<style>",
		bundle_script().hash, bundle_style().hash, title.s);
	fwrite(bundle_style().text, 1, bundle_style().n, out);
	fputs("</style>\n</head>\n<body>\n", out);
}

struct data_job *html_start(void)
{
	return data_start();
}

const struct row_tap *html_tap(const struct data_job *job)
{
	return data_tap(job);
}

void html_drop(struct data_job *job)
{
	data_drop(job);
}

int html_finish(struct data_job *job, FILE *out, const struct summary *s, struct fail *why)
{
	int err;

	put_head(out, s);
	static_part(out, s, data_overview(job));
	err = data_finish(job, out, s, why);
	if (err)
		return err;
	fputs("<script>", out);
	fwrite(bundle_script().text, 1, bundle_script().n, out);
	fputs("</script>\n</body>\n</html>\n", out);
	return ferror(out) ? fail_set(why, -EIO, FAIL_OTHER, "could not write the report") : 0;
}
