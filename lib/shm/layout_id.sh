#!/bin/sh
# layout_id.sh COMPILER FILE...: a number for the text of these headers without comments and blanks, as "#define LAYOUT_ID".
# Whatever is swapped, renamed, retyped or added in a struct of shared memory gives another one; a comment does not.
set -e
compiler=$1
shift
for f; do
	$compiler -fpreprocessed -dD -E -P -x c "$f"
done | tr -d ' \t\n' | cksum | sed 's/^\([0-9]*\) \([0-9]*\)$/#define LAYOUT_ID \1ull/'
