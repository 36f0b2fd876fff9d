/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * preload/heap.h - memory of the shim and the engine, apart from the client's
 */
#ifndef SHIM_HEAP_H
#define SHIM_HEAP_H

#include <stdlib.h>

/* Memory that the client will free(), of its own malloc(): this name isn't taken over. */
static inline void *heap_of_client(size_t size)
{
	return reallocarray(NULL, 1, size);
}

#endif /* SHIM_HEAP_H */
