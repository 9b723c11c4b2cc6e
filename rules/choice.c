#include "rules/choice.h"

#include <stdio.h>
#include <string.h>

int choice_of(const char *argument, const char *text, const char *const *words, size_t n,
	      struct err *err)
{
	const char *nearest;
	char all[512];
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0)
			return (int)i;
	nearest = err_nearest(text, words, n);
	if (nearest != NULL)
		return err_set(err, "%s is '%s', which is unknown: did you mean '%s'?", argument,
			       text, nearest);
	for (size_t i = 0; i < n && len < sizeof(all); i++)
		len += (size_t)snprintf(all + len, sizeof(all) - len, "%s%s", i ? ", " : "",
					words[i]);
	return err_set(err, "%s is '%s', which is none of %s", argument, text, all);
}
