#!/bin/sh
# man.sh: the manual pages are clean, all are there, and what they list is what the programs know.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 99

pages=
for name in weird.8 weir-worker.8 weir-monitor.8 weirctl.8 weir.conf.5 weir-endpoint.7; do
	for d in doc "$build/doc"; do
		[ ! -f "$d/$name" ] || { pages="$pages $d/$name"; break; }
	done
	case $pages in
	*"/$name") ;;
	*) missing="$missing $name" ;;
	esac
done
tap_check "every manual page is there" "${missing-}"
if command -v mandoc >/dev/null; then
	tap_check "mandoc has no warning" "$(mandoc -T lint -W warning $pages 2>&1)"
else
	tap_skip "mandoc has no warning" "mandoc is not installed"
fi
tap_check "every list is inserted" "$(grep -n '^@' $pages /dev/null)"

weird=$build/supervisor/weird
compare() {	# WHAT FILE
	if [ -x "$weird" ]; then
		tap_check "$2 is what weird -x $1 prints" "$("$weird" -x "$1" 2>&1 | diff - "$2" | head -n 20)"
	else
		tap_skip "$2 is what weird -x $1 prints" "weird is not built"
	fi
}
for what in options commands directives metrics errors sqlstates; do compare "$what" "doc/gen/$what.mdoc"; done
compare conf conf/weir.conf
tap_end
