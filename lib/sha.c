/* SPDX-License-Identifier: MIT
 * Both hashes work on blocks of 64 bytes and differ in their round function.
 */
#include "lib/sha.h"

#include <string.h>

enum { BLOCK = 64 };

struct sha {
	enum sha_kind kind;
	uint32_t state[8];
	uint8_t block[BLOCK];
	size_t used;
	uint64_t total;
};

static const uint32_t k256[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };

static inline uint32_t
right(uint32_t value, int by)
{
	return value >> by | value << (32 - by);
}

static inline uint32_t
left(uint32_t value, int by)
{
	return value << by | value >> (32 - by);
}

static uint32_t
load_big(const uint8_t *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
}

static void
block_256(struct sha *s)
{
	uint32_t w[64], v[8];

	for (int i = 0; i < 16; i++)
		w[i] = load_big(s->block + 4 * i);
	for (int i = 16; i < 64; i++) {
		uint32_t a = w[i - 15], b = w[i - 2];

		w[i] = w[i - 16] + (right(a, 7) ^ right(a, 18) ^ a >> 3) + w[i - 7] +
		       (right(b, 17) ^ right(b, 19) ^ b >> 10);
	}
	memcpy(v, s->state, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = v[7] + (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) +
			      ((v[4] & v[5]) ^ (~v[4] & v[6])) + k256[i] + w[i];
		uint32_t t2 = (right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22)) +
			      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));

		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		s->state[i] += v[i];
}

static uint32_t
mix_1(int round, const uint32_t *v, uint32_t *k)
{
	static const uint32_t constants[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6 };

	*k = constants[round / 20];
	if (round < 20)
		return (v[1] & v[2]) | (~v[1] & v[3]);
	if (round >= 40 && round < 60)
		return (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
	return v[1] ^ v[2] ^ v[3];
}

static void
block_1(struct sha *s)
{
	uint32_t w[80], v[5], k;

	for (int i = 0; i < 16; i++)
		w[i] = load_big(s->block + 4 * i);
	for (int i = 16; i < 80; i++)
		w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, s->state, sizeof(v));
	for (int i = 0; i < 80; i++) {
		uint32_t mixed = mix_1(i, v, &k);
		uint32_t next = left(v[0], 5) + mixed + v[4] + k + w[i];

		v[4] = v[3];
		v[3] = v[2];
		v[2] = left(v[1], 30);
		v[1] = v[0];
		v[0] = next;
	}
	for (int i = 0; i < 5; i++)
		s->state[i] += v[i];
}

static void
run_block(struct sha *s)
{
	if (s->kind == SHA_256)
		block_256(s);
	else
		block_1(s);
	s->used = 0;
}

static void
begin(struct sha *s, enum sha_kind kind)
{
	static const uint32_t start_1[8] = { 0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476,
		0xc3d2e1f0 };
	static const uint32_t start_256[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
		0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

	memset(s, 0, sizeof(*s));
	s->kind = kind;
	memcpy(s->state, kind == SHA_256 ? start_256 : start_1, sizeof(s->state));
}

static void
add(struct sha *s, const uint8_t *data, size_t len)
{
	s->total += len;
	while (len > 0) {
		size_t part = BLOCK - s->used < len ? BLOCK - s->used : len;

		memcpy(s->block + s->used, data, part);
		s->used += part;
		data += part;
		len -= part;
		if (s->used == BLOCK)
			run_block(s);
	}
}

static void
finish(struct sha *s, uint8_t *out)
{
	uint64_t bits = s->total * 8;
	uint8_t pad = 0x80, zero = 0, size[8];

	add(s, &pad, 1);
	while (s->used != BLOCK - sizeof(size))
		add(s, &zero, 1);
	for (int i = 0; i < 8; i++)
		size[i] = (uint8_t)(bits >> (56 - 8 * i));
	add(s, size, sizeof(size));
	for (size_t i = 0; i < sha_size(s->kind); i++)
		out[i] = (uint8_t)(s->state[i / 4] >> (24 - 8 * (i % 4)));
}

size_t
sha_size(enum sha_kind kind)
{
	return kind == SHA_256 ? SHA_256_BYTES : SHA_1_BYTES;
}

void
sha_digest(enum sha_kind kind, struct bytes data, uint8_t *out)
{
	struct sha s;

	begin(&s, kind);
	add(&s, data.data, data.len);
	finish(&s, out);
}

void
sha_hmac(enum sha_kind kind, struct bytes key, struct bytes data, uint8_t *out)
{
	uint8_t block[BLOCK] = { 0 }, inner[SHA_BYTES_MAX];
	struct sha s;

	if (key.len > BLOCK)
		sha_digest(kind, key, block);
	else if (key.len > 0)
		memcpy(block, key.data, key.len);
	for (size_t i = 0; i < BLOCK; i++)
		block[i] ^= 0x36;
	begin(&s, kind);
	add(&s, block, BLOCK);
	add(&s, data.data, data.len);
	finish(&s, inner);
	for (size_t i = 0; i < BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	begin(&s, kind);
	add(&s, block, BLOCK);
	add(&s, inner, sha_size(kind));
	finish(&s, out);
}
