/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz/check.h - what must hold after each operation */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

void check_all(void);

#endif /* FUZZ_CHECK_H */
