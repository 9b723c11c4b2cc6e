/* What SpoofSVCAction gets of each SVCRecordParameters (ARG_SVCS). */
#ifndef RULES_SVC_H
#define RULES_SVC_H

#include "core/base.h"

struct svc {
	const uint8_t *rdata; /* as svc_rdata of core/dns/svcb.h writes it */
	size_t len;
};

#endif
