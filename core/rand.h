/* Unpredictable numbers, drawn in bulk from libsodium's generator into a buffer of each thread. */
#ifndef CORE_RAND_H
#define CORE_RAND_H

#include "core/base.h"

/* libsodium's own set-up; 0 or -EIO. Once, before any thread. */
int rand_init(void);

/* Any thread; no system call but once in some hundred calls. */
uint16_t rand_u16(void);
uint32_t rand_u32(void);

/* 0 … n-1 without bias that matters (multiply and shift); n > 0. */
uint32_t rand_below(uint32_t n);

void rand_bytes(void *out, size_t len);

#define UUID_TEXT_MAX 37

struct uuid {
	uint8_t bytes[16];
};

/* RFC 4122 version 4. */
struct uuid uuid_random(void);
int uuid_parse(const char *text, struct uuid *out); /* 0 or -EINVAL */
char *uuid_text(const struct uuid *id, char text[static UUID_TEXT_MAX]);

#endif
