#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every C file is as .clang-format of Debian 12's clang-format would have it.
scripts/sources.sh '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
