#include "rules/run.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

void rule_scratch_join(struct rule_scratch *s, size_t found_room)
{
	if (found_room <= s->found_room)
		return;
	s->found = mem_realloc(s->found, found_room, sizeof(*s->found));
	s->found_room = found_room;
}

void rule_scratch_free(struct rule_scratch *s)
{
	if (s == NULL)
		return;
	free(s->found);
	free(s);
}

const struct question *run_question(struct rule_run *run)
{
	static const struct question none;

	if (msg_qdcount(run->msg) == 0)
		return &none;
	if (likely(!run->q->self_made))
		return &run->q->question;
	return msg_question(run->msg, run->len, &run->own) == 0 ? &run->own : &none;
}

const struct opt *run_opt(struct rule_run *run)
{
	if (!run->has_opt) {
		run->has_opt = true;
		if (msg_opt(run->msg, run->len, run_question(run), &run->opt) < 0)
			run->opt = (struct opt){0};
	}
	return &run->opt;
}

const struct addr *run_destination(const struct rule_run *run)
{
	const struct query *q = run->q;

	/* near_only: the line that local is in was never touched, and need not be now */
	if (q->near_only || q->local.sa.sa_family == AF_UNSPEC)
		return run->listener;
	return &q->local;
}

void run_edited(struct rule_run *run, size_t len)
{
	run->len = len;
	run->has_opt = run->has_hashes = false; /* the name may be another, or lie elsewhere */
	run->text_len = 0;
	run->edited = run->changed = true;
}

void run_answered(struct rule_run *run, uint8_t *answer, size_t len, size_t cap)
{
	struct query *q = run->q;

	q->self_made = true;
	q->answer = answer;
	q->answer_stays = true;
	run->msg = answer;
	run->cap = cap;
	run_edited(run, len);
}

/* The name that was asked for; the root where there is no question. */
static const uint8_t *run_name(const struct rule_run *run, size_t *len)
{
	static const uint8_t root[1];
	const struct query *q = run->q;

	if (unlikely(q->question.name_len == 0)) {
		*len = sizeof(root);
		return root;
	}
	*len = q->question.name_len;
	return q->packet + DNS_HEADER_LEN;
}

/* An octet that the presentation form writes as it is. */
static bool is_plain(uint8_t c)
{
	return c > ' ' && c < 0x7f && c != '.' && c != '\\';
}

static char *put_octet(char *to, uint8_t c)
{
	if (is_plain(c)) {
		*to++ = (char)c;
	} else if (c == '.' || c == '\\') {
		*to++ = '\\';
		*to++ = (char)c;
	} else {
		*to++ = '\\';
		*to++ = (char)('0' + c / 100);
		*to++ = (char)('0' + c / 10 % 10);
		*to++ = (char)('0' + c % 10);
	}
	return to;
}

/* As name_text, without the final dot, and without the library's formatting. */
static size_t write_text(const uint8_t *name, char *text)
{
	char *to = text;

	while (*name != 0) {
		const uint8_t *end = name + *name + 1;

		for (name++; name < end; name++)
			to = put_octet(to, *name);
		*to++ = '.';
	}
	if (to > text)
		to--;
	*to = '\0';
	return (size_t)(to - text);
}

const char *run_name_text(struct rule_run *run, size_t *len)
{
	char *text = run->scratch->text;

	if (run->text_len == 0)
		run->text_len = (uint16_t)(write_text(run_name(run, len), text) + 1);
	*len = run->text_len - 1u;
	return text;
}

const struct suffix_hashes *run_hashes(struct rule_run *run)
{
	if (!run->has_hashes) {
		size_t len;
		const uint8_t *name = run_name(run, &len);

		suffix_hashes_make(&run->scratch->hashes, name, len);
	}
	run->has_hashes = true;
	return &run->scratch->hashes;
}
