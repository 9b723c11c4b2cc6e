/* The object that filter.bpf.c was compiled to, for core/bpf alone. */
#ifndef CORE_BPF_PROGRAM_H
#define CORE_BPF_PROGRAM_H

#include <stddef.h>

/* An ELF object, aligned as one; lent for ever. */
const void *kfilter_object(size_t *len);

#endif
