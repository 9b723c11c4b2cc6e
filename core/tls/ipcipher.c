#include "core/tls/ipcipher.h"

#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/aes.h>

/* The permutation of ipcrypt: four octets as in SipHash's round, additions modulo 256. */
static uint8_t rotate(uint8_t x, unsigned n)
{
	return (uint8_t)(x << n | x >> (8 - n));
}

static void permute(uint8_t b[4])
{
	b[0] = (uint8_t)(b[0] + b[1]);
	b[2] = (uint8_t)(b[2] + b[3]);
	b[1] = rotate(b[1], 2) ^ b[0];
	b[3] = rotate(b[3], 5) ^ b[2];
	b[0] = rotate(b[0], 4);
	b[0] = (uint8_t)(b[0] + b[3]);
	b[2] = (uint8_t)(b[2] + b[1]);
	b[1] = rotate(b[1], 3) ^ b[2];
	b[3] = rotate(b[3], 7) ^ b[0];
	b[2] = rotate(b[2], 4);
}

static void permute_back(uint8_t b[4])
{
	b[2] = rotate(b[2], 4);
	b[1] = rotate(b[1] ^ b[2], 5);
	b[3] = rotate(b[3] ^ b[0], 1);
	b[0] = (uint8_t)(b[0] - b[3]);
	b[2] = (uint8_t)(b[2] - b[1]);
	b[0] = rotate(b[0], 4);
	b[1] = rotate(b[1] ^ b[0], 6);
	b[3] = rotate(b[3] ^ b[2], 3);
	b[0] = (uint8_t)(b[0] - b[1]);
	b[2] = (uint8_t)(b[2] - b[3]);
}

static void mix(uint8_t b[4], const uint8_t key[4])
{
	for (unsigned i = 0; i < 4; i++)
		b[i] ^= key[i];
}

/* Four pieces of the key, and a permutation between each two. */
static void crypt_v4(const uint8_t key[static IPCIPHER_KEY], uint8_t b[4], bool back)
{
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0 && back)
			permute_back(b);
		else if (i > 0)
			permute(b);
		mix(b, key + 4 * (back ? 3 - i : i));
	}
}

/* One block is chained to nothing but zeroes, so this is the bare cipher. */
static int crypt_v6(const uint8_t key[static IPCIPHER_KEY], uint8_t b[16], bool back)
{
	static const uint8_t zeroes[16];
	uint8_t out[16];
	Aes aes;
	int rc = wc_AesInit(&aes, NULL, INVALID_DEVID);

	if (rc != 0)
		return -EIO;
	rc = wc_AesSetKey(&aes, key, IPCIPHER_KEY, zeroes, back ? AES_DECRYPTION : AES_ENCRYPTION);
	if (rc == 0)
		rc = back ? wc_AesCbcDecrypt(&aes, out, b, sizeof(out))
			  : wc_AesCbcEncrypt(&aes, out, b, sizeof(out));
	wc_AesFree(&aes);
	if (rc != 0)
		return -EIO;
	memcpy(b, out, sizeof(out));
	return 0;
}

static int crypt_addr(const uint8_t key[static IPCIPHER_KEY], struct addr *a, bool back)
{
	if (a->sa.sa_family == AF_INET6)
		return crypt_v6(key, (uint8_t *)&a->v6.sin6_addr, back);
	crypt_v4(key, (uint8_t *)&a->v4.sin_addr, back);
	return 0;
}

int ipcipher_encrypt(const uint8_t key[static IPCIPHER_KEY], struct addr *a)
{
	return crypt_addr(key, a, false);
}

int ipcipher_decrypt(const uint8_t key[static IPCIPHER_KEY], struct addr *a)
{
	return crypt_addr(key, a, true);
}
