#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# cppcheck finds no error in the product's own code.
exec cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --language=c -j 2 \
	--enable=warning,portability \
	--suppress=missingInclude --suppress=unknownMacro --suppress=unusedStructMember \
	--suppress=nullPointerRedundantCheck --suppress=uninitvar --suppress=comparePointers \
	--suppress=nullPointerArithmeticRedundantCheck --suppress=identicalInnerCondition \
	--suppress=allocaCalled \
	-D_GNU_SOURCE -D__x86_64__ -DUIOMMU_VERSION='"0"' -DUIOMMU_BIN_TO_PKGLIB='"."' \
	-Iinclude -Ilib -Ipreload lib devices preload cli examples
