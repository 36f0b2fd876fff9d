#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every file names its licence within its first lines.
rc=0
for file in $(scripts/sources.sh '*'); do
	case $file in
	COPYING) continue ;;
	esac
	head -n 5 "$file" | grep -q 'SPDX-License-Identifier: LGPL-2.1-or-later' || {
		echo "$file: no 'SPDX-License-Identifier: LGPL-2.1-or-later'"
		rc=1
	}
done
exit $rc
