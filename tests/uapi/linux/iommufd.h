/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* For programs that were written against the kernel's headers: ours, as of 7.3. */
#include "uapi/iommufd.h"
