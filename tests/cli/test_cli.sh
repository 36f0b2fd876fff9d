#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test_cli.sh UIOMMU CC - the command's statuses, messages, folders and signals.
set -u

uiommu=$(realpath "$1")
shift
cc=("$@")
work=$(mktemp -d)
trap 'chmod -R u+rwx "$work"; rm -rf "$work"' EXIT
cd "$work" || exit 1
mkdir tmp bin
export TMPDIR=$work/tmp
unset UIOMMU_RUN UIOMMU_LOG LD_PRELOAD GLIBC_TUNABLES VALGRIND_OPTS

failed=0
fail()
{
	echo "FAILED: $*"
	failed=$((failed + 1))
}

# expect STATUS PATTERN COMMAND... : the status, nothing on stdout, and one line
# on stderr that matches ("" for no line at all).
expect()
{
	local status=$1 pattern=$2 got
	shift 2
	"$@" >out 2>err </dev/null
	got=$?
	[ "$got" -eq "$status" ] || fail "$*: status $got, not $status"
	[ ! -s out ] || fail "$*: on stdout: $(cat out)"
	if [ -z "$pattern" ]; then
		[ ! -s err ] || fail "$*: on stderr: $(cat err)"
	else
		[ "$(wc -l <err)" -eq 1 ] || fail "$*: not one line: $(cat err)"
		grep -Eq "$pattern" err || fail "$*: no '$pattern' in: $(cat err)"
	fi
	leftovers "$*"
}

leftovers()
{
	[ -z "$(ls "$TMPDIR")" ] || fail "$1: left behind: $(ls "$TMPDIR")"
}

wait_for_file()
{
	local i
	for ((i = 0; i < 500; i++)); do
		[ -s "$1" ] && return 0
		sleep 0.01
	done
	fail "$1 did not appear"
	return 1
}

# ---- what is printed

"$uiommu" --version | grep -Eqx 'uiommu [0-9]+\.[0-9]+\.[0-9]+' || fail "--version"
"$uiommu" --help | grep -q '^Usage: uiommu run' || fail "--help"
"$uiommu" run --help | grep -q -- '--device MODEL' || fail "run --help"
"$uiommu" models | grep -q '^ats-testdev  1234:11e9$' || fail "models"
for option in group driver class; do
	"$uiommu" models | sed -n '/^all$/,$p' | grep -q "^    $option=TEXT" || fail "models: $option"
done
"$uiommu" models --help | grep -q '^Usage: uiommu models' || fail "models --help"
expect 125 "can't write to standard output" bash -c "'$uiommu' models >/dev/full"

# ---- statuses are the program's

expect 0 '' "$uiommu" run -- true
expect 1 '' "$uiommu" run false
expect 0 '' "$uiommu" run -d ats-testdev -- true
expect 37 '' "$uiommu" run --device=ats-testdev -- sh -c 'exit 37'
expect 0 '' "$uiommu" run -d ats-testdev@0000:70:00.0 -d ats-testdev@0000:71:00.0 true
# What follows the program is the program's.
expect 5 '' "$uiommu" run sh -c 'exit 5' --help -d
[ "$("$uiommu" run -- echo -d x -- y)" = "-d x -- y" ] || fail "arguments"
[ "$(echo in | "$uiommu" run -- cat)" = in ] || fail "stdin"

# ---- bad usage

expect 125 'which command' "$uiommu"
expect 125 "unknown command 'walk'" "$uiommu" walk
expect 125 "unknown option '--walk'" "$uiommu" --walk
expect 125 "unknown option '-x'" "$uiommu" run -x true
expect 125 "unknown option '-x'" "$uiommu" run -xd ats-testdev true
expect 125 "unknown option '--walk'" "$uiommu" run --walk true
expect 125 "'-d' needs a value" "$uiommu" run -d
expect 125 "'--log' needs a value" "$uiommu" run --log
expect 125 'which program' "$uiommu" run
expect 125 'which program' "$uiommu" run -d ats-testdev --
expect 125 'inside' env UIOMMU_RUN=/x "$uiommu" run -- true
expect 125 "models takes no arguments" "$uiommu" models x

# ---- bad devices

expect 125 "no-such-model" "$uiommu" run -d no-such-model -- true
expect 125 "colour" "$uiommu" run -d ats-testdev,colour=red -- true
expect 125 "0000:70:00.0" "$uiommu" run -d ats-testdev@0000:70:00.0 -d ats-testdev@70:00.0 -- true
expect 125 "." "$uiommu" run -d ats-testdev@70:00.9 -- true
expect 125 "." "$uiommu" run -d '' -- true
for host in /sys/bus/pci/devices/*; do
	[ -e "$host" ] || break
	expect 125 "${host##*/}" "$uiommu" run -d "ats-testdev@${host##*/}" -- true
	break
done

# ---- bad programs

cat >prog.c <<'END'
int main(void)
{
	return 0;
}
END
"${cc[@]}" -o bin/plain prog.c || fail "no compiler"
expect 0 '' "$uiommu" run bin/plain
expect 127 "no program 'no-such-program' in PATH" "$uiommu" run no-such-program
# A folder that only root may look into is as good as none.
expect 127 "no program 'no-such-program' in PATH" \
	env PATH="/proc/1/root:$PATH" "$uiommu" run no-such-program
expect 127 "/nowhere/prog" "$uiommu" run /nowhere/prog
expect 0 '' env PATH="$work/bin" "$uiommu" run plain
expect 127 "'plain2'" env PATH="$work/bin" "$uiommu" run plain2
expect 126 "Is a directory" "$uiommu" run "$work"
: >bin/not-executable
expect 126 "Permission denied" "$uiommu" run bin/not-executable

# A file without a format is the shell's, as for execvp().
printf 'exit 9\n' >bin/formless
chmod +x bin/formless
expect 9 '' "$uiommu" run bin/formless
printf '#!%s/bin/gone\n' "$work" >bin/lost
chmod +x bin/lost
expect 126 "interpreter '$work/bin/gone'" "$uiommu" run bin/lost

# The loader has no loader itself, and can be given a program.
loader=$(ldd bin/plain | grep -o '/lib[^ ]*/ld-[^ ]*')
expect 0 '' "$uiommu" run -d ats-testdev -- "$loader" /usr/bin/test -c /dev/iommu
if "${cc[@]}" -static -o bin/static prog.c 2>/dev/null; then
	expect 125 "statically linked" "$uiommu" run bin/static
	printf '#!%s/bin/static\n' "$work" >bin/script
	chmod +x bin/script
	expect 125 "static' is statically linked" "$uiommu" run bin/script
	printf '#!/usr/bin/env -S WORD=1 %s/bin/static\n' "$work" >bin/script
	expect 125 "static' is statically linked" "$uiommu" run bin/script
	# What Go's linker writes: a note with its name, and no loader.
	cat >note.s <<'END'
	.section .note.go.buildid, "a", @note
	.long 4, 4, 4
	.asciz "Go\0"
	.long 1
	.section .note.GNU-stack, "", @progbits
END
	"${cc[@]}" -static -o bin/go prog.c note.s
	expect 125 "Go program" "$uiommu" run bin/go
else
	echo "no static libc here: not tried"
fi

# e_machine is at 18; 183 is AArch64.  EI_CLASS is at 4; 1 is 32 bits.
cp bin/plain bin/foreign
printf '\267\0' | dd of=bin/foreign bs=1 seek=18 conv=notrunc status=none
expect 125 "another architecture" "$uiommu" run bin/foreign
cp bin/plain bin/class32
printf '\1' | dd of=bin/class32 bs=1 seek=4 conv=notrunc status=none
expect 125 "another architecture" "$uiommu" run bin/class32
"${cc[@]}" -Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1 -o bin/musl prog.c
expect 125 "ld-musl" "$uiommu" run bin/musl

cp bin/plain bin/setuid
if [ "$(id -u)" -eq 0 ]; then
	chown 65534:65534 bin/setuid && chmod 4755 bin/setuid
	expect 125 "setuid" "$uiommu" run bin/setuid
	chown 65534:65534 bin/setuid && chmod 2755 bin/setuid
	expect 125 "setgid" "$uiommu" run bin/setuid
else
	su=$(command -v su) && [ -u "$su" ] && expect 125 "setuid" "$uiommu" run "$su"
fi
# Also one's own: the same for everybody.
cp bin/plain bin/own
chmod 4755 bin/own
expect 125 "setuid" "$uiommu" run bin/own

# ---- the environment

env=$(LD_PRELOAD=$work/user.so GLIBC_TUNABLES=glibc.malloc.check=0 VALGRIND_OPTS=-q \
	ASAN_OPTIONS=detect_leaks=0 "$uiommu" run -- env 2>/dev/null)
for line in "LD_PRELOAD=/.*/libuiommu-preload\.so:$work/user\.so" \
	'GLIBC_TUNABLES=glibc\.malloc\.check=0:.*glibc\.malloc\.mmap_max=0' \
	'GLIBC_TUNABLES=.*glibc\.malloc\.trim_threshold=0x7f' \
	'VALGRIND_OPTS=-q --vex-iropt-register-updates=allregs-at-mem-access --px-file-backed=allregs-at-mem-access --vex-guest-chase=no' \
	'ASAN_OPTIONS=detect_leaks=0:verify_asan_link_order=0' \
	"UIOMMU_RUN=$TMPDIR/uiommu-$(id -u)-......\$"; do
	grep -Eq "^$line" <<<"$env" || fail "no $line in the environment"
done
grep -q '^UIOMMU_LOG=' <<<"$env" && fail "UIOMMU_LOG without --log"
"$uiommu" run --log log -- env | grep -qx "UIOMMU_LOG=$work/log" || fail "UIOMMU_LOG"
expect 125 "can't write the log" "$uiommu" run --log /nowhere/log -- true

# ---- the temporary folder

expect 125 "set TMPDIR" env TMPDIR=/nowhere "$uiommu" run -- true
if [ "$(id -u)" -ne 0 ]; then
	mkdir readonly
	chmod 555 readonly
	expect 125 "readonly.*set TMPDIR" env TMPDIR="$work/readonly" "$uiommu" run -- true
fi
# shellcheck disable=SC2016 # for the inner shell
mode=$("$uiommu" run -- sh -c 'stat -c %a "$UIOMMU_RUN"')
[ "$mode" = 700 ] || fail "mode of the folder: $mode"

# Who can't open it is without devices, and the log says why.
# shellcheck disable=SC2016 # for the inner shell
"$uiommu" run --log log -d ats-testdev -- \
	sh -c 'mv "$UIOMMU_RUN" away; ls /dev/iommu; mv away "$UIOMMU_RUN"' >out 2>&1
grep -q "no devices here: can't open $TMPDIR/.*: No such file" log || fail "log: $(cat log)"

# What SIGKILL leaves, the next run removes, and nothing that links point at.
mkdir precious
echo kept >precious/file
# shellcheck disable=SC2016
"$uiommu" run -- sh -c 'ln -s "$0" "$UIOMMU_RUN/link"; echo $$ >"$1"; exec sleep 100' \
	"$work/precious" "$work/pid" &
killed=$!
wait_for_file pid
stale=$(echo "$TMPDIR"/uiommu-*)
# shellcheck disable=SC2016
"$uiommu" run -- sh -c '[ -d "$0" ]' "$stale" || fail "a folder in use was removed"
kill -KILL "$killed" "$(cat pid)"
wait "$killed" 2>/dev/null
[ -d "$stale" ] || fail "SIGKILL left nothing?"
mkdir "$TMPDIR/uiommu-$(id -u)-notours-at-all"
expect_left=$TMPDIR/uiommu-$(id -u)-notours-at-all
"$uiommu" run -- true
[ ! -e "$stale" ] || fail "the stale folder is still there"
[ -d "$expect_left" ] || fail "a folder that is not a run's was removed"
rmdir "$expect_left"
[ "$(cat precious/file)" = kept ] || fail "a link was followed"
leftovers "after SIGKILL"

# ---- signals

# Ends by the signal that the program was killed by; no core file of its own.
# (A shell can't tell that from an exit status of 128 and more; Python can.)
# shellcheck disable=SC2016
for sig in TERM KILL ABRT; do
	python3 -c 'import subprocess, sys
sys.exit(subprocess.run(sys.argv[2:]).returncode != -int(sys.argv[1]))' "$(kill -l $sig)" \
		"$uiommu" run -- sh -c 'kill -$0 $$' $sig || fail "killed by SIG$sig"
done
leftovers "killed program"

# What is sent to uiommu alone reaches the program.  (SIGINT and SIGQUIT are
# ignored in what a script starts in the background.)
for sig in TERM HUP USR1 USR2; do
	rm -f ready
	"$uiommu" run -- bash -c "trap 'exit 42' $sig; echo >ready; echo x >ready
		while :; do sleep 0.01; done" &
	pid=$!
	wait_for_file ready
	kill -$sig $pid
	wait $pid
	got=$?
	[ $got -eq 42 ] || fail "SIG$sig: status $got"
done
leftovers "signals"

# Stops with the program, and it goes on with us.
rm -f ready
# shellcheck disable=SC2016
"$uiommu" run -- bash -c 'echo x >ready; kill -STOP $$; exit 7' &
pid=$!
wait_for_file ready
for ((i = 0; i < 500; i++)); do
	grep -q '^State:.T' /proc/$pid/status && break
	sleep 0.01
done
grep -q '^State:.T' /proc/$pid/status || fail "did not stop with the program"
kill -CONT $pid
wait $pid
[ $? -eq 7 ] || fail "after SIGCONT"
leftovers "stopped"

[ "$failed" -eq 0 ] || echo "$failed failed"
[ "$failed" -eq 0 ]
