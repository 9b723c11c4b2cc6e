#include "pools/policy.h"

#include <string.h>

const struct policy *const policies[] = {
	&policy_least_outstanding,
	&policy_first_available,
	&policy_round_robin,
	&policy_wrandom,
	&policy_whashed,
	&policy_chashed,
	&policy_ordered_wrand_untag,
};
const unsigned policy_count = ARRAY_LEN(policies);

const struct policy *policy_find(const char *name)
{
	for (unsigned i = 0; i < policy_count; i++) {
		if (strcmp(policies[i]->name, name) == 0)
			return policies[i];
	}
	return NULL;
}
