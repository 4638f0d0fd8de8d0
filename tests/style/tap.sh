# tap.sh: the few lines of TAP that the style scripts share. Source it; call tap_end last.
# Works in the source tree and in a released tarball.
top=${TOP_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${TOP_BUILDDIR:-$top/build}
n=0 bad=0
LC_ALL=C
export LC_ALL

# tap_check SENTENCE FINDINGS: passes when FINDINGS is empty, else shows them.
tap_check() {
	n=$((n + 1))
	if [ -z "$2" ]; then
		echo "ok $n - $1"
	else
		bad=$((bad + 1))
		printf '%s\n' "$2" | sed 's/^/# /'
		echo "not ok $n - $1"
	fi
}
# tap_report SENTENCE FINDINGS: shows them and passes.
tap_report() {
	n=$((n + 1))
	[ -z "$2" ] || printf '%s\n' "$2" | sed 's/^/# /'
	echo "ok $n - $1"
}
tap_skip() { n=$((n + 1)); echo "ok $n - $1 # SKIP $2"; }
tap_end() { echo "1..$n"; [ "$bad" -eq 0 ]; exit $?; }
