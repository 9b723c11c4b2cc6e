/*
 * Addresses made into others and back with a key, so that logs can be shared without telling whose they
 * are: ipcrypt for IPv4, a block of AES-128 for IPv6. Here because the block cipher is wolfSSL's.
 */
#ifndef CORE_TLS_IPCIPHER_H
#define CORE_TLS_IPCIPHER_H

#include "core/addr.h"

#define IPCIPHER_KEY 16 /* octets of a key */

/* In place; port and scope stay. Any thread. 0, or -EIO when the cipher fails (then a is as it was). */
int ipcipher_encrypt(const uint8_t key[static IPCIPHER_KEY], struct addr *a);
int ipcipher_decrypt(const uint8_t key[static IPCIPHER_KEY], struct addr *a);

#endif
