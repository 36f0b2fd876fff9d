/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The least of an instance that an address space needs: readers, counts, an mm.
 */
#ifndef TEST_IOPT_FIXTURE_H
#define TEST_IOPT_FIXTURE_H

#include "iopt/iopt.h"

int fixture_setup(void **state);
/* Fails if something of the instance is left. */
int fixture_teardown(void **state);

#endif /* TEST_IOPT_FIXTURE_H */
