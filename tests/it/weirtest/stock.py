"""The web servers with the main configuration of their distribution package, to which our snippets are added as their
comments say. Changed are only the places that one process among others must have for itself: port, pid, logs."""

import os
import re
import shutil
from pathlib import Path

from .base import LOOPBACK, Failure, program
from .servers import Apache, HAProxy, Lighttpd, Nginx


def changed(text, *changes):
    for old, new in changes:
        if not re.search(old, text, re.M):
            raise Failure(f"the package's configuration has no {old!r}")
        text = re.sub(old, new, text, flags=re.M)
    return text


class StockNginx(Nginx):
    def configure(self):
        for name in ("weir_params", "weir_upstream.conf", "weir_locations.conf"):
            self.write(name, self.snippet(f"nginx/{name}"))
        self.write("weir.conf", f"include {self.dir}/weir_upstream.conf;\n"
                                f"server {{ listen {LOOPBACK}:{self.port}; include {self.dir}/weir_locations.conf; }}\n")
        locations = self.dir / "weir_locations.conf"
        locations.write_text(locations.read_text().replace("include weir_params", f"include {self.dir}/weir_params"))
        text = changed(Path("/etc/nginx/nginx.conf").read_text(), (r"^pid .*;", f"pid {self.dir}/pid;"),
                       (r"^error_log .*;", f"error_log {self.log};"), (r"access_log .*;", f"access_log {self.dir}/access.log;"),
                       (r"include /etc/nginx/sites-enabled/\*;", f"include {self.dir}/weir.conf;"))
        self.argv = [program("nginx"), "-e", self.log, "-g", "daemon off;", "-c", self.write("nginx.conf", text)]


class StockApache(Apache):
    def configure(self, module="proxy"):
        root = self.dir / "etc"
        shutil.copytree("/etc/apache2", root, symlinks=True)
        for link in [*(root / "mods-enabled").iterdir(), *(root / "conf-enabled").iterdir()]:
            if link.is_symlink() and not str(os.readlink(link)).startswith("/"):
                target = Path("/etc/apache2") / link.parent.name / os.readlink(link)
                link.unlink()
                link.symlink_to(target)
        for name in ("proxy", "proxy_fcgi"):     # a2enmod
            for kind in ("load", "conf"):
                at = Path(f"/etc/apache2/mods-available/{name}.{kind}")
                if at.exists() and not (root / f"mods-enabled/{name}.{kind}").exists():
                    (root / f"mods-enabled/{name}.{kind}").symlink_to(at)
        (root / "ports.conf").write_text(f"Listen {LOOPBACK}:{self.port}\n")
        for site in (root / "sites-enabled").iterdir():
            site.unlink()
        site = Path("/etc/apache2/sites-available/000-default.conf").read_text()
        (root / "sites-enabled/000-default.conf").write_text(
            changed(site, (r"<VirtualHost \*:80>", f"<VirtualHost *:{self.port}>"),
                    ("</VirtualHost>", lambda _: self.snippet("apache/weir_proxy.conf") + "</VirtualHost>")))
        env = {"APACHE_RUN_USER": "www-data", "APACHE_RUN_GROUP": "www-data", "APACHE_PID_FILE": self.dir / "pid",
               "APACHE_RUN_DIR": self.dir, "APACHE_LOCK_DIR": self.dir, "APACHE_LOG_DIR": self.dir, "LANG": "C"}
        self.argv = ["env", *(f"{k}={v}" for k, v in env.items()), program("apache2"), "-DFOREGROUND", "-d", root,
                     "-f", "apache2.conf"]


class StockLighttpd(Lighttpd):
    def configure(self, how="socket"):
        text = changed(Path("/etc/lighttpd/lighttpd.conf").read_text(),
                       (r"(server.upload-dirs\s+= ).*", rf'\1( "{self.dir}" )'), (r"(server.errorlog\s+= ).*", rf'\1"{self.dir}/errors.log"'),
                       (r"(server.pid-file\s+= ).*", rf'\1"{self.dir}/pid"'), (r"(server.port\s+= ).*", rf"\g<1>{self.port}"),
                       (r"(server.document-root\s+= ).*", rf'\1"{self.dir}"'))
        text = text.replace('include "/etc/lighttpd/conf-enabled/*.conf"',
                            f'include "/etc/lighttpd/conf-enabled/*.conf"\ninclude "{self.dir}/weir.conf"')
        self.write("weir.conf", self.snippet(f"lighttpd/weir_{how}.conf"))
        self.argv = [program("lighttpd"), "-D", "-f", self.write("lighttpd.conf", text)]


class StockHAProxy(HAProxy):
    """site.chroot: the folder below /var/lib/haproxy where its sockets are. tune: what the snippet's comment gives."""

    def configure(self, tune=False):
        text = changed(Path("/etc/haproxy/haproxy.cfg").read_text(),
                       ("stats socket /run/haproxy/admin.sock", f"stats socket {self.dir}/admin.sock"))
        snippet = self.snippet("haproxy/weir.cfg").replace("unix@/var/lib/haproxy/", "unix@/")
        if tune:
            snippet = changed(snippet, (r"^#(global|    tune.bufsize .*)$", r"\1"))
        lines = re.findall(r"^#   (use_backend .*|default_backend .*)$", snippet, re.M)
        text += f"\nfrontend weirtest\n    bind {LOOPBACK}:{self.port}\n" + "".join(f"    {line}\n" for line in lines)
        self.argv = [program("haproxy"), "-db", "-f", self.write("haproxy.cfg", text + snippet)]


STOCK = {"nginx": StockNginx, "apache": StockApache, "lighttpd": StockLighttpd, "haproxy": StockHAProxy}
