/* Settings that are one number: rows of settings.def, fields of the settings part of the tables. */
#ifndef CORE_SETTINGS_H
#define CORE_SETTINGS_H

#include "core/tables.h"

struct settings {
	struct part part;
#define SETTING_BOOL(field, function, phase, def, help) bool field;
#define SETTING_U32(field, function, phase, def, least, most, unit, help) uint32_t field;
#define SETTING_DOUBLE(field, function, phase, def, least, most, unit, help) double field;
#include "core/settings.def"
#undef SETTING_BOOL
#undef SETTING_U32
#undef SETTING_DOUBLE
	uint8_t dynblocks_action; /* enum dns_action of blocks that have none of their own; 0: drop */
	/* set at start-up by their own functions */
	uint32_t udp_recv_buffer, udp_send_buffer; /* octets, 0: as large as the system allows */
	bool has_fast_open_key;                    /* of listeners, RFC 7413 4.1.2 */
	uint32_t fast_open_key[4];                 /* as the socket option takes it */
	uint32_t ring_entries;                     /* of recent queries, and of recent answers */
	uint32_t ring_sampling;                    /* one of so many is kept; 0, 1: all */
	bool ring_queries, ring_answers;           /* whether they are recorded */
	uint32_t query_count_filter;               /* which function of setQueryCountFilter; 0: none */
	bool local_override;                       /* -l was given: plain listeners of the file are replaced */
};

enum setting_kind { SETTING_KIND_BOOL, SETTING_KIND_U32, SETTING_KIND_DOUBLE };
enum setting_phase { SETTING_STARTUP, SETTING_RUNTIME };

struct setting_row {
	const char *function, *unit, *help;
	enum setting_kind kind;
	enum setting_phase phase;
	size_t offset; /* in struct settings */
	double def, least, most;
};

extern const struct setting_row setting_rows[];
extern const size_t setting_row_count;

/* Registers the settings part with the tables. */
void settings_register(void);

/*
 * Stores value after checking it against the row's kind and bounds: 0, or -EINVAL with err naming the
 * function, the value, and what is allowed.
 */
int setting_store(struct settings *s, const struct setting_row *row, double value, struct err *err);
double setting_load(const struct settings *s, const struct setting_row *row);

#endif
