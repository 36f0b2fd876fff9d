/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Device accesses as drivers write them.  Compiled several times, by each
 * compiler at each level of optimisation, as a function named COMPILED.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct registers {
	volatile uint8_t b[16];
	volatile uint16_t w[8];
	volatile uint32_t l[8];
	volatile uint64_t q[8];
	volatile int8_t sb;
	volatile int16_t sw;
	volatile int32_t sl;
	volatile float f;
	volatile double d;
	_Atomic uint32_t counter;
	_Atomic uint64_t word;
	volatile struct {
		uint32_t low : 5;
		uint32_t mid : 11;
		uint32_t high : 16;
	} bits;
	volatile bool flag;
	volatile long double ld;
	volatile uint8_t bytes[64];
};

uint64_t COMPILED(void *bar, unsigned int seed);

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 0x9e3779b97f4a7c15ull + (h >> 29);
}

static uint64_t plain(struct registers *r, uint64_t h, unsigned int n)
{
	for (unsigned int i = 0; i < 8; i++) {
		r->b[i] = (uint8_t)(n + i);
		r->w[i] = (uint16_t)(n * 3 + i);
		r->l[i] = n * 0x01010101u + i;
		r->q[i] = (uint64_t)n << (i * 7);
		h = mix(h, r->b[i] + r->w[7 - i]);
		h = mix(h, r->l[i] ^ r->q[i]);
	}
	r->sb = (int8_t)n;
	r->sw = (int16_t) - (int)n;
	r->sl = -(int32_t)n * 77;
	h = mix(h, (uint64_t)(int64_t)r->sb);
	h = mix(h, (uint64_t)(int64_t)r->sw);
	h = mix(h, (uint64_t)(int64_t)r->sl);
	h = mix(h, (uint16_t)r->sb);
	return h;
}

static uint64_t modify(struct registers *r, uint64_t h, unsigned int n)
{
	r->l[0] |= 1u << (n & 31);
	r->l[1] &= ~(1u << (n & 31));
	r->l[2] ^= n;
	r->l[3] += n;
	r->l[4] -= 100;
	r->l[5] <<= 3;
	r->l[6] >>= n & 7;
	r->l[7] *= 17;
	r->q[0] |= 1ull << 40;
	r->q[1] += 1;
	r->q[2]--;
	r->q[3] = -r->q[3];
	r->q[4] = ~r->q[4];
	r->b[0]++;
	r->w[0] |= 0x8000;
	r->w[1] /= 3;
	r->l[3] %= 1000;
	r->sl /= 7;
	r->sw >>= 2;
	if (r->l[0] & 0x10)
		h = mix(h, 1);
	if (r->q[1] == 5 || r->w[0] > r->w[1])
		h = mix(h, 2);
	h = mix(h, r->sb < 0 ? r->l[1] : r->l[2]);
	h = mix(h, r->l[3] / 3 + r->l[4] % 10);
	while (!(r->b[0] & 0x40))
		r->b[0] += 3;
	r->flag = r->q[2] > 3;
	r->flag = !r->flag;
	return mix(h, r->flag);
}

static uint64_t atomics(struct registers *r, uint64_t h, unsigned int n)
{
	uint32_t want = n;
	uint64_t big = 7;

	atomic_store(&r->counter, n);
	h = mix(h, atomic_fetch_add(&r->counter, 5));
	h = mix(h, atomic_fetch_sub(&r->counter, 2));
	h = mix(h, atomic_fetch_or(&r->counter, 0x100));
	h = mix(h, atomic_fetch_and(&r->counter, 0xfff));
	h = mix(h, atomic_fetch_xor(&r->counter, 3));
	h = mix(h, atomic_exchange(&r->counter, n * 2));
	h = mix(h, atomic_compare_exchange_strong(&r->counter, &want, 9));
	h = mix(h, want);
	atomic_store_explicit(&r->word, n, memory_order_release);
	h = mix(h, atomic_compare_exchange_strong(&r->word, &big, 11));
	h = mix(h, big);
	atomic_fetch_add(&r->word, 1);
	h = mix(h, atomic_load_explicit(&r->word, memory_order_acquire));
	return h;
}

static uint64_t floats(struct registers *r, uint64_t h, unsigned int n)
{
	uint64_t raw;
	double d;

	r->f = (float)n / 2;
	r->d = n * 1.5;
	d = r->d + 1.0;
	memcpy(&raw, &d, 8);
	h = mix(h, raw);
	r->ld = r->d / 3;
	d += (double)(r->ld * n);
	d += (double)r->f * (double)r->sl + (double)r->l[2];
	memcpy(&raw, &d, 8);
	return mix(h, raw);
}

/* Loops that a compiler makes vectors of, for some of the bytes only. */
static uint64_t loops(struct registers *r, uint64_t h, unsigned int n)
{
	uint32_t *words = (uint32_t *)(uintptr_t)r->bytes;
	float *numbers = (float *)(uintptr_t)r->bytes;
	uint64_t sum = 0;

	for (unsigned int i = 0; i < 1 + n % 15; i++)
		if (words[i] & 1)
			words[i] = words[i] * 3 + i;
	for (unsigned int i = 0; i < 16; i++)
		numbers[i] = (float)(words[i] >> (n & 7)) / 4;
	for (unsigned int i = 0; i < n % 64; i++)
		sum += r->bytes[i] > 7;
	return mix(h, sum);
}

/* Not volatile: the compiler takes what instructions it likes. */
static uint64_t blocks(struct registers *r, uint64_t h, unsigned int n)
{
	uint8_t *bytes = (uint8_t *)(uintptr_t)r->bytes;
	uint8_t local[64];
	size_t len = 1 + n % 64;

	for (size_t i = 0; i < sizeof(local); i++)
		local[i] = (uint8_t)(n * 31 + i);
	memcpy(bytes, local, sizeof(local));
	memset(bytes + n % 16, (int)n, len / 2);
	memset(local, 0, sizeof(local));
	memcpy(local, bytes, len);
	for (size_t i = 0; i < sizeof(local); i++)
		h = mix(h, local[i]);
	h = mix(h, (uint64_t)(memcmp(local, bytes, len) != 0));
	for (int i = 0; i < 64; i++)
		bytes[i] = (uint8_t)(bytes[i] + i);
	for (int i = 0; i < 64; i++)
		h += bytes[i];
	return h;
}

uint64_t COMPILED(void *bar, unsigned int seed)
{
	struct registers *r = bar;
	uint64_t h = seed;

	for (unsigned int n = 0; n < 20; n++) {
		h = plain(r, h, seed + n * 13);
		h = modify(r, h, seed * 7 + n);
		h = atomics(r, h, n);
		h = floats(r, h, seed + n);
		h = blocks(r, h, seed + n * 5);
		h = loops(r, h, seed + n);
		r->bits.low = n;
		r->bits.mid += seed;
		r->bits.high ^= r->bits.low;
		h = mix(h, r->bits.mid + r->bits.high);
	}
	return h;
}
