#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# run.sh MAKETREE PRELOAD COMMAND...: runs a command under the shim, with one ats-testdev, or
# with DEVICES.
# The command's stdout must stay its own: for a client that prints nothing, empty.
set -u
maketree=$1
preload=$(realpath "$2")
shift 2

tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/run" || exit 99
# shellcheck disable=SC2086 # a list
"$maketree" "$tmp/run" ${DEVICES:-ats-testdev} || exit 99

# As `uiommu run` sets them; a sanitizer in the client must not mind who is first.
UIOMMU_RUN=$tmp/run UIOMMU_LOG=$tmp/log LD_PRELOAD=$preload \
	ASAN_OPTIONS=verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} \
	"$@" >"$tmp/stdout"
status=$?
if [ -s "$tmp/stdout" ]; then
	echo "run.sh: something was printed on stdout:" >&2
	cat "$tmp/stdout" >&2
	exit 1
fi
if [ -s "$tmp/log" ]; then
	sed 's/^/log: /' "$tmp/log" >&2
fi
# EXPECT_LOG: a pattern; the log has one line, which matches.
if [ -n "${EXPECT_LOG:-}" ]; then
	if [ ! -s "$tmp/log" ] || [ "$(wc -l <"$tmp/log")" != 1 ] ||
		! grep -qE "$EXPECT_LOG" "$tmp/log"; then
		echo "run.sh: the log is not one line like '$EXPECT_LOG'" >&2
		exit 1
	fi
fi
exit $status
