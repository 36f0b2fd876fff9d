#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every shell script, by its first line, passes shellcheck (but "a && b || c" is fine); every Python script
# compiles.
rc=0
for file in $(scripts/sources.sh '*'); do
	case $(head -n 1 "$file" | tr -d '\0') in
	'#!'*python3*)
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' \
			"$file" || rc=1
		;;
	'#!'*sh) shellcheck -e SC2015 "$file" || rc=1 ;;
	esac
done
exit $rc
