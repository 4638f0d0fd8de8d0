#!/bin/sh
# units.sh: the systemd unit is well-formed and as closed as doc says: an exposure of at most 2.0.
. "$(dirname "$0")/tap.sh"
unit=$build/conf/systemd/weir.service
if ! command -v systemd-analyze >/dev/null; then
	tap_skip "the unit's exposure is at most 2.0" "systemd-analyze is not installed"
	tap_skip "the unit is well-formed" "systemd-analyze is not installed"
	tap_end
fi
said=$(systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" 2>&1) && said=
tap_check "the unit's exposure is at most 2.0" "$(printf '%s' "$said" | tail -n 3)"
# The programs it names need not be installed here.
tap_check "the unit is well-formed" "$(systemd-analyze verify --man=no "$unit" 2>&1 |
	grep -vE 'is not executable|Failed to (prepare|create|open|connect)|^$')"
tap_end
