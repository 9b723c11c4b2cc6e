/* Which listeners have which kernel filter: part of the transaction that asks for it. */
#include "console/lua/bpf.h"
#include "rules/kernel_edits.h"
#include "workers/frontend.h"

static void undo(void *frontend, void *before)
{
	struct err err;

	frontend_set_filter(frontend, before, &err);
}

static void release(void *frontend, void *before)
{
	kfilter_unref(before);
}

void lua_attach_filter(lua_State *L, struct frontend *fe, struct kfilter *f)
{
	struct kfilter *before;
	struct err err;
	int rc;

	if (f && kfilter_is_external(f))
		lua_fail(
			L,
			"an external filter has no program to attach: another program does the work");
	before = fe->filter ? kfilter_ref(fe->filter) : NULL;
	rc = frontend_set_filter(fe, f, &err);

	kernel_edit_note(undo, release, fe, before);
	if (rc < 0)
		lua_fail(L, "%s", err.text);
}
