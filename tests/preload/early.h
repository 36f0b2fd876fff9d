/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the constructor of a library found. */
#ifndef TESTS_PRELOAD_EARLY_H
#define TESTS_PRELOAD_EARLY_H

#include <stdbool.h>

__attribute__((visibility("default"))) extern int early_iommufd;
__attribute__((visibility("default"))) extern bool early_tree, early_environment;

#endif /* TESTS_PRELOAD_EARLY_H */
