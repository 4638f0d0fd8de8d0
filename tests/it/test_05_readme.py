"""7.36: "Run it for real" of the README, line by line: every block of shell in its order, on the file system as it is
but in namespaces of its own, where /usr, /etc and /var are written to a scratch layer and nothing stays. Programs are
those of the build tree (that they compile is the build's test), PostgreSQL is a cluster as Debian's package makes it,
nginx starts with Debian's nginx.conf. What a container has not, systemctl and sudo, are a few lines below."""

import os
import re
import subprocess

import pytest

from weirtest.base import BUILD, PATIENCE, TOP, temp_dir
from weirtest.pg import bin_dir

# systemctl: what the unit says, started by hand. sudo: as whom it says.
SYSTEMCTL = r"""#!/bin/bash
unit() { sed -n "s/^$1=//p" /etc/systemd/system/weir.service | tail -n 1; }
case "$*" in
daemon-reload) ;;
"enable --now weir")
	as() { runuser -u "$(unit User)" -g "$(unit Group)" -G "$(unit SupplementaryGroups)" -- "$@"; }
	install -d -m "$(unit RuntimeDirectoryMode)" -o "$(unit User)" -g "$(unit Group)" "/run/$(unit RuntimeDirectory)"
	as $(unit ExecStartPre) || exit 1
	as $(unit ExecStart) >"$(dirname "$0")/weird.log" 2>&1 &
	for _ in $(seq 300); do weirctl ping >/dev/null 2>&1 && exit 0; sleep 0.1; done
	cat "$(dirname "$0")/weird.log" >&2; exit 1 ;;
"reload nginx")	# of a service that runs; here it does not yet
	nginx ;;
*) echo "systemctl: what is $*?" >&2; exit 1 ;;
esac
"""
SUDO = """#!/bin/bash
if [ "$1" = -u ]; then u=$2; shift 2; exec runuser -u "$u" -- "$@"; fi
exec "$@"
"""
# world FOLDER VERSION: FOLDER is an empty one beside the folder given/.
WORLD = r"""set -e
mount --make-rprivate /
mount -t tmpfs scratch "$1"
for d in usr etc var; do
	mkdir -p "$1/$d/upper" "$1/$d/work"
	mount -t overlay overlay -o "lowerdir=/$d,upperdir=$1/$d/upper,workdir=$1/$d/work" "/$d"
done
mkdir "$1/scratch" && cp "$1/../given/"* "$1/scratch/"
mount -t tmpfs run /run
rm -rf /var/run && ln -s /run /var/run
mkdir -p /run/lock
install -d -m 2775 -o postgres -g postgres /run/postgresql
ip link set lo up
export PATH="$1/scratch:/usr/sbin:/usr/bin:/sbin:/bin" LC_ALL=C.UTF-8
rm -rf /etc/weir
pg_createcluster -p 5432 "$2" readme -- --no-sync >/dev/null
pg_ctlcluster "$2" readme start
cd /
exec bash "$1/scratch/script"
"""


def blocks():
    """(language, text) of the fenced blocks of the section, in order."""
    text = (TOP / "README.md").read_text()
    section = text.partition("## Run it for real")[2].partition("\n## ")[0]
    found = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    assert len(found) >= 8, "where is the section?"
    return found


def script():
    """The section as one script. What the commands of console blocks print stands between marks."""
    out, is_built = ["set -e"], False
    for language, text in blocks():
        if language == "sh" and "make install" in text:
            is_built = True
            out.append(f"make -s -C '{BUILD}' install >/dev/null")
        elif language == "sh":
            out.append(text)
        elif language == "console":
            command = text.partition("\n")[0]
            assert command.startswith("$ "), text
            out.append(f"echo '@@ begin'\n{command[2:]} 2>&1\necho; echo '@@ end'")
    assert is_built
    return "\n".join(out) + "\necho; echo @@ all\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces, and what the README does with sudo, need root")
def test_the_readme_leads_to_an_answer_line_by_line():
    """7.36"""
    where = temp_dir("readme")
    for folder in ("given", "world"):
        (where / folder).mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("sudo", SUDO), ("script", script())):
        (where / "given" / name).write_text(text)
        (where / "given" / name).chmod(0o755)
    where.chmod(0o755)
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-c", WORLD, "world",
         where / "world", bin_dir().parent.name],
        cwd="/", capture_output=True, text=True, timeout=120 * PATIENCE, stdin=subprocess.DEVNULL)
    said = f"{done.stdout}\n--- stderr\n{done.stderr}"
    assert done.returncode == 0 and done.stdout.endswith("@@ all\n"), said
    expected = [text.partition("\n")[2].strip() for language, text in blocks() if language == "console"]
    assert [t.strip() for t in re.findall(r"^@@ begin\n(.*?)^@@ end$", done.stdout, re.M | re.S)] == expected, said
    # the last line of all: who has the key is answered as everybody was before
    assert done.stdout.splitlines()[-2] == expected[-1], said
