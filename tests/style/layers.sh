#!/bin/sh
# layers.sh: who may include whom, and which folder owns which third-party header. The two tables below are the only
# place for an exception, with its reason. Includes are rooted at the top, so a path is a layer.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 99

# folder: folders that it may include, besides itself and lib/base. A folder of layer 1 or 2 that is not named here
# may include no sibling. "lib" means every folder of lib.
edges='
lib/base
lib/tbl
lib/shm
lib/conf
lib/ctl
lib/loop
lib/json
lib/crypto
lib/fcgi lib/shm lib/conf lib/ctl lib/loop lib/json lib/crypto
lib/http lib/shm lib/conf lib/ctl lib/loop lib/json lib/crypto
lib/pg lib/shm lib/conf lib/ctl lib/loop lib/json lib/crypto
lib/mc lib/shm lib/conf lib/ctl lib/loop lib/json lib/crypto
lib/auth lib/shm lib/conf lib/ctl lib/loop lib/json lib/crypto
workers lib
supervisor lib/shm lib/conf lib/ctl lib/loop lib/json
tests/stress lib
tests/fuzz lib
tests/bench lib
tests/it lib
examples lib/weir.h
'
# options_to_json and the snapshot are written with the JSON writer; the alternative is a second writer in lib/conf.
edges="$edges
lib/conf lib/json
"
# The reader that the gate is compared with serves the unit test and the fuzz target; it is no code of lib/.
edges="$edges
tests/fuzz tests/unit/fcgi/trace.h
"

# header: folders of the only code that may include it; its unit and fuzz tests may too.
owners='
fcgiapp.h lib/fcgi
fastcgi.h lib/fcgi tests/bench
fcgi_stdio.h none
fcgios.h none
libpq-fe.h lib/pg tests/bench
libpq/ lib/pg
postgres_ext.h lib/pg
libmemcached lib/mc
openssl/ lib/crypto
zlib.h lib/http
brotli/ lib/http
jansson.h lib/json
confuse.h lib/conf
xxhash.h lib/shm
pg_query.h workers/advisor
uv.h lib/loop workers supervisor tests/bench
criterion/ tests/unit
'

sources=$(find lib workers supervisor examples tests -name '*.[ch]' 2>/dev/null | sort)
includes=$(grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' $sources /dev/null)

broken=$(printf '%s\n' "$includes" | awk -v edges="$edges" '
function unit(path,   p) {
	split(path, p, "/")
	if (p[1] == "lib" && p[3] != "") return p[1] "/" p[2]
	if (p[1] == "tests") return p[1] "/" p[2]
	return p[1]
}
function may(from, to, what,   a, i, n) {
	if (from == to || to == "lib/tbl" && from != "lib/tbl") return 1
	if (from == "lib/tbl") return 0
	if (to == "lib/base") return from != "examples"
	if (from == "tests/unit") return 0
	n = split(allowed[from], a, " ")
	for (i = 1; i <= n; i++)
		if (a[i] == to || a[i] == what || a[i] == "lib" && to ~ /^lib(\/|$)/) return 1
	return 0
}
BEGIN {
	n = split(edges, line, "\n")
	for (i = 1; i <= n; i++) {
		if (line[i] == "") continue
		split(line[i], w, " ")
		known[w[1]] = 1
		allowed[w[1]] = allowed[w[1]] substr(line[i], length(w[1]) + 1)
	}
}
{
	split($0, at, ":"); file = at[1]
	if ($0 !~ /include[[:space:]]*"/) next
	what = $0; sub(/^[^"]*"/, "", what); sub(/".*/, "", what)
	if (what == "config.h") next
	if (what !~ /\//) { print file ":" at[2] ": \"" what "\" is not rooted at the top"; next }
	from = unit(file); to = unit(what)
	if (from == "tests/unit") {
		# a test of lib/X may include what lib/X may; one of workers or supervisor likewise
		split(file, p, "/")
		from = (p[3] == "workers" || p[3] == "supervisor") ? p[3] : "lib/" p[3]
		if (to == "tests/unit") next
	}
	if (!(from in known)) { print file ": folder " from " is in no layer; add it to tests/style/layers.sh"; next }
	if (!may(from, to, what)) print file ":" at[2] ": " from " must not include " what
}')
tap_check "includes go down only" "$broken"

foreign=$(printf '%s\n' "$includes" | awk -v owners="$owners" '
BEGIN {
	n = split(owners, line, "\n")
	for (i = 1; i <= n; i++) {
		if (line[i] == "") continue
		split(line[i], w, " ")
		owner[w[1]] = substr(line[i], length(w[1]) + 2)
	}
}
{
	split($0, at, ":"); file = at[1]
	if ($0 !~ /include[[:space:]]*</) next
	what = $0; sub(/^[^<]*</, "", what); sub(/>.*/, "", what)
	for (h in owner) {
		if (index(what, h) != 1) continue
		n = split(owner[h], a, " "); ok = 0
		for (i = 1; i <= n; i++) {
			if (index(file, a[i] "/") == 1) ok = 1
			split(a[i], p, "/")
			if (p[1] == "lib" && (index(file, "tests/unit/" p[2] "/") == 1 ||
				index(file, "tests/fuzz/" p[2]) == 1 || index(file, "tests/fuzz/fuzz_" p[2]) == 1)) ok = 1
		}
		if (!ok) print file ":" at[2] ": <" what "> belongs to " owner[h]
	}
}')
tap_check "each third-party header is included from one folder" "$foreign"

first=$(for f in $(printf '%s\n' "$sources" | grep '\.c$'); do
	case $(grep -m1 -E '^[[:space:]]*#[[:space:]]*include' "$f") in
	*'"config.h"'*) ;;
	*) case $f in
		examples/*|tests/it/weirtest/*) ;;	# built without configure
		*) echo "$f: config.h is not its first include" ;;
		esac ;;
	esac
done)
tap_check "config.h is included first" "$first"

wrong=$(for f in $(printf '%s\n' "$sources" | grep -E '^lib/[a-z]+/[^/]*\.h$' | grep -v '^lib/tbl/'); do
	grep -q "Layer: $(dirname "$f")" "$f" || echo "$f: its head does not say \"Layer: $(dirname "$f")\""
done)
tap_check "every header says its layer" "$wrong"

# The same rule at link time: what an archive leaves undefined must not be defined by a sibling or a higher one.
rank() {
	case $1 in
	base) echo 0 ;;
	shm|conf|ctl|loop|json|crypto) echo 1 ;;
	fcgi|http|pg|mc|auth) echo 2 ;;
	*) echo "" ;;
	esac
}
archives=$(find "$build/lib" -name 'lib*.a' 2>/dev/null | sort)
if [ -z "$archives" ]; then
	tap_check "archives are built" "no archives below $build/lib"
else
	tmp=$(mktemp -d) || exit 99
	trap 'rm -rf "$tmp"' EXIT
	unranked=
	for a in $archives; do
		l=$(basename "$a" .a); l=${l#lib}
		[ "$(rank "$l")" ] || unranked="$unranked $l"
		# recv is the C library's, wherever lib/pg/db_recv.c is not linked
		nm -g --defined-only "$a" 2>/dev/null | awk 'NF == 3 && $3 != "recv" { print $3 }' | sort -u >"$tmp/$l.def"
		nm -u "$a" 2>/dev/null | awk '$1 == "U" { print $2 }' | sort -u >"$tmp/$l.all"
		comm -23 "$tmp/$l.all" "$tmp/$l.def" >"$tmp/$l.undef"
	done
	up=$(for u in "$tmp"/*.undef; do
		l=$(basename "$u" .undef)
		for d in "$tmp"/*.def; do
			m=$(basename "$d" .def)
			[ "$l" = "$m" ] && continue
			[ "$(rank "$m")" -ge "$(rank "$l")" ] 2>/dev/null || continue
			printf '%s\n' "$edges" | grep -qE "^lib/$l( .*)? lib/$m( |\$)" && continue
			comm -12 "$u" "$d" | sed "s|^|lib$l.a needs |; s|\$| of lib$m.a|"
		done
	done)
	tap_check "archives need nothing of a sibling or of a higher layer" "$up"
	tap_check "every archive is in a layer" "$unranked"
fi
tap_end
