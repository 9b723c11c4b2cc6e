#include "core/rand.h"

#include <sodium.h>
#include <string.h>

/* One getrandom() fetches this much: 512 message IDs. */
#define STOCK 1024

static _Thread_local struct {
	uint8_t bytes[STOCK];
	unsigned left;
} stock;

int rand_init(void)
{
	return sodium_init() < 0 ? -EIO : 0;
}

static inline void draw(void *out, unsigned len)
{
	if (unlikely(stock.left < len)) {
		randombytes_buf(stock.bytes, sizeof(stock.bytes));
		stock.left = sizeof(stock.bytes);
	}
	stock.left -= len;
	memcpy(out, stock.bytes + stock.left, len);
}

uint16_t rand_u16(void)
{
	uint16_t n;

	draw(&n, sizeof(n));
	return n;
}

uint32_t rand_u32(void)
{
	uint32_t n;

	draw(&n, sizeof(n));
	return n;
}

uint32_t rand_below(uint32_t n)
{
	return (uint32_t)((uint64_t)rand_u32() * n >> 32);
}

void rand_bytes(void *out, size_t len)
{
	randombytes_buf(out, len);
}

struct uuid uuid_random(void)
{
	struct uuid id;

	rand_bytes(id.bytes, sizeof(id.bytes));
	id.bytes[6] = (id.bytes[6] & 0x0f) | 0x40; /* version 4 */
	id.bytes[8] = (id.bytes[8] & 0x3f) | 0x80; /* the variant of RFC 4122 */
	return id;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool dash_before(unsigned octet)
{
	return octet == 4 || octet == 6 || octet == 8 || octet == 10;
}

int uuid_parse(const char *text, struct uuid *out)
{
	struct uuid id;

	for (unsigned i = 0; i < sizeof(id.bytes); i++) {
		int high, low;

		if (dash_before(i) && *text++ != '-')
			return -EINVAL;
		high = hex_digit(text[0]);
		low = high < 0 ? -1 : hex_digit(text[1]);
		if (low < 0)
			return -EINVAL;
		id.bytes[i] = (uint8_t)(high << 4 | low);
		text += 2;
	}
	if (*text != '\0')
		return -EINVAL;
	*out = id;
	return 0;
}

char *uuid_text(const struct uuid *id, char text[static UUID_TEXT_MAX])
{
	static const char digits[] = "0123456789abcdef";
	char *p = text;

	for (unsigned i = 0; i < sizeof(id->bytes); i++) {
		if (dash_before(i))
			*p++ = '-';
		*p++ = digits[id->bytes[i] >> 4];
		*p++ = digits[id->bytes[i] & 0x0f];
	}
	*p = '\0';
	return text;
}
