/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An instance with an mm and nothing else, and pages with an end.
 */
#ifndef TEST_MM_FIXTURE_H
#define TEST_MM_FIXTURE_H

#include "base/ctx.h"
#include "mm/mm.h"

#define PAGE 4096ull

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Readable and writable pages with a hole of a page on either side. */
char *fixture_pages(size_t nr);
void fixture_unmap(char *pages, size_t nr);

/* Handlers of SIGSEGV and SIGBUS that ask uiommu_guard_fault(), and die if not. */
void fixture_guard(bool on);

#endif /* TEST_MM_FIXTURE_H */
