// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * explore/broken_iopt.c - iopt/iopt.c whose unmap doesn't wait for bursts of DMA
 */
#include "iopt/object.h"

#define iopt_add_domain broken_iopt_add_domain
#define iopt_create broken_iopt_create
#define iopt_destroy broken_iopt_destroy
#define iopt_map broken_iopt_map
#define iopt_ranges broken_iopt_ranges
#define iopt_remove_domain broken_iopt_remove_domain
#define iopt_translate broken_iopt_translate
#define iopt_unmap broken_iopt_unmap
#define iopt_tree_quiesce(tree) ((void)(tree))

#include "iopt/iopt.c"
