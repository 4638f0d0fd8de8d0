#!/bin/sh
# symbols.sh: no global symbol of ours may carry the name of one that a linked library exports (ours would silently
# take its place inside that library), but for recv, by which libpq is bounded (lib/pg/db_recv.c); which libraries a program may link; which libfcgi calls may be made.
. "$(dirname "$0")/tap.sh"
tmp=$(mktemp -d) || exit 99
trap 'rm -rf "$tmp"' EXIT

programs=
for p in "$build/supervisor/weird" "$build/supervisor/weirctl" "$build"/workers/weir-*; do
	[ -f "$p" ] && [ -x "$p" ] && case $p in *.o) ;; *) programs="$programs $p" ;; esac
done
archives=$(find "$build/lib" -name 'lib*.a' 2>/dev/null)
objects=$(find "$build/workers" "$build/supervisor" -name '*.o' 2>/dev/null)
nm -g --defined-only $archives $objects 2>/dev/null |
	awk 'NF == 3 && $3 != "main" && $3 != "recv" && $3 !~ /^__(odr_)?asan/ { print $3 }' | sort -u >"$tmp/ours"
{
	for p in $programs; do
		ldd "$p" 2>/dev/null | awk '$3 ~ /^\// { print $3 }'
	done
	# before the programs exist: what configure found
	[ "$programs" ] || for l in fcgi pq uv confuse jansson xxhash z brotlienc c m; do
		ls /lib/*/lib$l.so.[0-9]* /usr/lib/*/lib$l.so.[0-9]* 2>/dev/null
	done
} | grep -vE '/lib(asan|ubsan|tsan|lsan)\.' | sort -u >"$tmp/libs"
while read -r lib; do
	nm -D --defined-only "$lib" 2>/dev/null | awk 'NF == 3 && $2 ~ /[TtDdBbRrVvWwi]/ { sub(/@.*/, "", $3); print $3 }' |
		sort -u | comm -12 - "$tmp/ours" | sed "s|\$| is exported by $lib|"
done <"$tmp/libs" >"$tmp/shadow"
tap_check "no symbol of ours shadows a library's ($(wc -l <"$tmp/ours") against $(wc -l <"$tmp/libs") libraries)" \
	"$(cat "$tmp/shadow")"

linked=$(for p in "$build/supervisor/weird" "$build/supervisor/weirctl"; do
	[ -x "$p" ] && readelf -d "$p" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' |
		grep -E '^lib(pq|crypto|ssl|fcgi|memcached|z|brotli.*)\.so' | sed "s|^|$p links |"
done)
tap_check "the supervisor links no request code" "$linked"

allowed='FCGX_Init|FCGX_InitRequest|FCGX_Accept_r|FCGX_GetError|FCGX_Free'
calls=$(for p in $programs; do
	nm -u "$p" | awk '$1 == "U" { sub(/@.*/, "", $2); print $2 }' | grep -E '^(FCGX_|FCGI_|OS_)' |
		grep -vxE "$allowed" | sed "s|^|$p calls |"
done)
tap_check "of libfcgi only its parser is called" "$calls"
tap_end
