#!/bin/sh
# docs.sh: every file that doc/ names exists, and the man pages are well-formed.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 99

# Paths from the top as they stand in running text: at least one slash, beginning with a folder of ours.
paths_in() {
	grep -oE '(^|[^A-Za-z0-9_./-])(lib|workers|supervisor|sql|conf|tests|examples|doc|\.ci|build-aux)/[A-Za-z0-9_.*/{},-]+' "$1" |
		sed 's/^[^A-Za-z.]//' |
		sed 's/[.,]*$//' | sort -u
}
for doc in README.md doc/*.md; do
	[ -f "$doc" ] || continue
	missing=$(paths_in "$doc" | while read -r p; do
		case $p in
		*'{'*|*,*) continue ;;	# a set written short
		esac
		found=
		for f in $p; do [ -e "$f" ] && found=1; done
		[ "$found" ] || [ -e "$build/$p" ] || echo "$doc names $p"
	done)
	tap_check "every file that $doc names exists" "$missing"
done

pages=$(ls doc/*.[1578] "$build"/doc/*.[1578] 2>/dev/null | sort -u)
if [ -z "$pages" ]; then
	tap_skip "man pages pass mandoc" "none yet"
elif ! command -v mandoc >/dev/null; then
	tap_skip "man pages pass mandoc" "mandoc is not installed"
else
	# errors fail; style remarks and warnings are shown
	tap_check "man pages have no errors" "$(mandoc -T lint -W error $pages 2>&1)"
	tap_report "man pages: warnings" "$(mandoc -T lint -W warning $pages 2>&1 | head -n 40)"
fi
tap_end
