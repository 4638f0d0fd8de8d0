#!/bin/sh
# report.sh: sizes, calls to avoid, sleeping tests, formatting. Shown, never a failure: the numbers are targets.
. "$(dirname "$0")/tap.sh"
cd "$top" || exit 99
ours=$(find lib workers supervisor -name '*.[ch]' | sort)
tests=$(find tests -name '*.[ch]' | sort)

tap_report "files of more than 600 lines" "$(wc -l $ours /dev/null | awk '$1 > 600 && $2 != "total"' | sort -rn)"

if command -v ctags >/dev/null && ctags --version 2>/dev/null | grep -q Universal; then
	tap_report "functions of more than 100 lines" "$(ctags -x --_xformat='%{line} %{end} %{name} %F' --kinds-C=f \
		--fields=+e $ours 2>/dev/null | awk '$2 - $1 > 100 { print $2 - $1 + 1, $4 ":" $1, $3 }' | sort -rn)"
else
	tap_skip "functions of more than 100 lines" "universal-ctags is not installed"
fi

tap_report "calls to avoid" "$(grep -nE '(^|[^a-zA-Z0-9_."])(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atof|strtok|system|popen|alloca|rand)\(' \
	$ours /dev/null | grep -vE ':[[:space:]]*(\*|/\*|//)')"

tap_report "tests that sleep" "$(grep -nE '(^|[^a-zA-Z_."])(sleep|usleep|nanosleep|time\.sleep)\(' $tests \
	$(find tests -name '*.py' | grep -v 'weirtest/base.py') /dev/null)"

tap_report "first of our includes is the own header" "$(for c in $(printf '%s\n' "$ours" | grep '\.c$'); do
	h=${c%.c}.h
	[ -f "$h" ] || continue
	[ "$(grep -E '^#include "' "$c" | grep -v config.h | head -n 1)" = "#include \"$h\"" ] || echo "$c"
done)"

if command -v clang-format >/dev/null && [ -f .clang-format ]; then
	tap_report "files that clang-format would change" "$(for f in $ours; do
		clang-format --style=file "$f" | cmp -s - "$f" || echo "$f"
	done | tr '\n' ' ' | fold -s -w 110)"
else
	tap_skip "files that clang-format would change" "clang-format is not installed"
fi
tap_end
