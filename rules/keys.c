#include "rules/keys.h"

#include <string.h>

#include "core/netmask.h"
#include "rules/run.h"

/* The next key to be filled in; NULL when the list is full. */
static struct key *add(struct key_list *l, enum key_kind kind)
{
	struct key *k;

	if (l->n == KEYS_MAX)
		return NULL;
	k = &l->keys[l->n++];
	k->kind = (uint8_t)kind;
	return k;
}

bool keys_add_name(struct key_list *l, const uint8_t *name, size_t len, bool below)
{
	struct key *k = add(l, KEY_NAME);

	if (k == NULL)
		return false;
	k->name_len = (uint8_t)len;
	k->below = below;
	k->name = name;
	return true;
}

bool keys_add_prefix(struct key_list *l, enum key_kind kind, const struct netmask *nm)
{
	struct key *k = add(l, kind);
	const uint8_t *bytes;
	size_t len;

	if (k == NULL)
		return false;
	bytes = addr_bytes(&nm->base, &len);
	k->bits = nm->bits;
	k->v6 = len == sizeof(k->addr);
	if (k->v6 && IN6_IS_ADDR_V4MAPPED(&nm->base.v6.sin6_addr)) { /* as tables have it */
		k->v6 = false;
		k->bits -= 96;
		bytes += 12;
		len = 4;
	}
	memcpy(k->addr, bytes, len);
	return true;
}

bool keys_add_value(struct key_list *l, enum key_value of, uint32_t value, bool is_not)
{
	struct key *k = add(l, KEY_VALUE);

	if (k == NULL)
		return false;
	k->value_of = (uint8_t)of;
	k->is_not = is_not;
	k->value = value;
	return true;
}

bool keys_add_regex(struct key_list *l, const struct regex *re)
{
	struct key *k = add(l, KEY_REGEX);

	if (k == NULL)
		return false;
	k->regex = re;
	return true;
}

uint32_t key_value_of(enum key_value of, const struct rule_run *run)
{
	const struct query *q = run->q;

	switch (of) {
	case VALUE_QTYPE:
		return q->question.qtype;
	case VALUE_PORT:
		return addr_port(run_destination(run));
	case VALUE_OPCODE:
		return (msg_flags(run->msg) & DNS_OPCODE_MASK) >> DNS_OPCODE_SHIFT;
	case VALUE_RCODE:
		return msg_flags(run->msg) & DNS_RCODE_MASK;
	case VALUE_QCLASS:
		return q->question.qclass;
	case VALUE_LABELS:
		return q->question.name_len != 0 ? name_labels(q->packet + DNS_HEADER_LEN) : 0;
	case VALUE_NAME_LEN:
		return q->question.name_len;
	case VALUE_STREAM:
		return q->client_proto != PROTO_UDP;
	case VALUE_RD:
		return (msg_flags(run->msg) & DNS_RD) != 0;
	default:
		return q->client_proto;
	}
}
