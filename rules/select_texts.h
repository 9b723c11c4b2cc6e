/* The selector that a string, or a list of strings, stands for. */
#ifndef RULES_SELECT_TEXTS_H
#define RULES_SELECT_TEXTS_H

#include "rules/selector.h"

/*
 * Of n texts (the singular kind is ARG_TEXT; a DNSName is its text), those that are netmasks or
 * addresses, with '!' in front or not, make a NetmaskGroupRule, and the others count for nothing.
 * Where there is none of them, all are names and make a QNameSuffixRule; "" is the root. NULL with
 * err set when there is none at all or one that is no name. Gives, with refs 1. Control thread.
 */
struct selector *selector_of_texts(const struct arg *list, size_t n, struct err *err);

/* The first of the texts that counts for nothing beside netmasks; NULL: they all count. Lent. */
const char *selector_ignored_text(const struct arg *list, size_t n);

/* The same of names, and of netmasks. A reference is taken. */
struct selector *selector_of_suffixes(struct suffix_table *names, struct err *err);
struct selector *selector_of_netmasks(struct netmask_table *netmasks, struct err *err);

#endif
