/* See rdata.h. */
#include "core/dns/rdata.h"

/* In order of type. */
static const struct rdata_names types[] = {
	{2, 0, 0, 1},   /* NS */
	{3, 0, 0, 1},   /* MD */
	{4, 0, 0, 1},   /* MF */
	{5, 0, 0, 1},   /* CNAME */
	{6, 0, 0, 2},   /* SOA */
	{7, 0, 0, 1},   /* MB */
	{8, 0, 0, 1},   /* MG */
	{9, 0, 0, 1},   /* MR */
	{12, 0, 0, 1},  /* PTR */
	{14, 0, 0, 2},  /* MINFO */
	{15, 2, 0, 1},  /* MX */
	{17, 0, 0, 2},  /* RP */
	{18, 2, 0, 1},  /* AFSDB */
	{21, 2, 0, 1},  /* RT */
	{24, 18, 0, 1}, /* SIG */
	{26, 2, 0, 2},  /* PX */
	{30, 0, 0, 1},  /* NXT */
	{33, 6, 0, 1},  /* SRV */
	{35, 4, 3, 1},  /* NAPTR */
	{36, 2, 0, 1},  /* KX */
	{39, 0, 0, 1},  /* DNAME */
};

const struct rdata_names *rdata_names_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (types[i].type == type)
			return &types[i];
	return NULL;
}

void rdata_names_skip(struct wire_rd *r, const struct rdata_names *in)
{
	rd_skip(r, in->octets);
	for (unsigned i = 0; i < in->strings; i++)
		rd_skip(r, rd_u8(r));
}
