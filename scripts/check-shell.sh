#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Every shell script, by its first line, passes shellcheck; every Python script
# compiles.
rc=0
for file in $(scripts/sources.sh '*'); do
	case $(head -n 1 "$file" | tr -d '\0') in
	'#!'*python3*)
		python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' \
			"$file" || rc=1
		;;
	'#!'*sh) shellcheck "$file" || rc=1 ;;
	esac
done
exit $rc
