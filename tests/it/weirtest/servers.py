"""Web servers in front of Weir, each with a private configuration made of the snippets in conf/: only paths and the
variant under test are substituted, so that the snippets are what is tested."""

import base64
import hashlib
import os
import re
import shutil

from .base import LOOPBACK, TOP, Failure, Proc, built, free_port, port_answers, program, temp_dir, user_exists
from .http import RawHTTP, fetch

CONF = TOP / "conf"
WEB_USER = "www-data"


def sha1_password(text):
    """The htpasswd form that needs no crypt(3)."""
    return "{SHA}" + base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()


class Backend:
    """Where the snippets' paths lead: what a server needs to know of the site."""

    def __init__(self, listen, status=None, conf=None, worker=None):
        self.listen = listen.removeprefix("unix:")
        self.status = (status or listen).removeprefix("unix:")
        self.conf, self.worker = conf, worker

    @classmethod
    def of(cls, site):
        return site if isinstance(site, cls) else cls(site.listen, site.status, site.conf)


class WebServer:
    """port, get(path, ...), raw() for a raw connection; close() ends it."""

    name = "server"
    starts_worker = False

    # What the snippet calls "this host"; a stranger=True variant makes the tests no part of it.
    this_host = ()

    def __init__(self, site, stranger=False, **variant):
        self.backend = Backend.of(site)
        self.variant = variant
        self.is_stranger = stranger
        self.port = free_port()
        self.dir = temp_dir(self.name)
        self.log = self.dir / "log"
        self.proc = None
        if self.starts_worker:
            # The web server's user may not reach the build tree.
            self.worker = self.dir / "weir-worker"
            shutil.copy(self.backend.worker or built("workers/weir-worker"), self.worker)
            self.worker.chmod(0o755)
        if os.geteuid() == 0 and user_exists(WEB_USER):
            shutil.chown(self.dir, WEB_USER, WEB_USER)
        try:
            self.configure(**variant)
            self.start()
        except BaseException:
            self.close()
            raise

    def snippet(self, path, *changes):
        """A shipped snippet with this site's paths. changes: (old, new) pairs; each must be found."""
        text = (CONF / path).read_text()
        places = [("/run/weir/weir.sock", self.backend.listen), ("/run/weir/status.sock", self.backend.status),
                  ("/etc/weir/weir.conf", str(self.backend.conf)),
                  ("/run/lighttpd/weir.sock", str(self.dir / "worker.sock"))]
        if self.starts_worker:
            places.append(("/usr/sbin/weir-worker", str(self.worker)))
        for old, new in places:
            text = text.replace(old, new)
        if self.is_stranger:
            for old, new in self.this_host:
                text = text.replace(old, new)
        for old, new in changes:
            if not re.search(old, text):
                raise Failure(f"conf/{path} has no {old!r}")
            text = re.sub(old, new, text)
        return text

    def write(self, name, text):
        (self.dir / name).write_text(text)
        return self.dir / name

    def start(self):
        self.proc = Proc(self.argv, self.log, cwd=self.dir)
        self.proc.wait_until(lambda: port_answers(self.port), 10, f"{self.name} to listen")

    def get(self, path, method="GET", **more):
        return fetch(self.port, path, method, **more)

    def raw(self, timeout=30):
        return RawHTTP(self.port, timeout)

    def log_text(self):
        return "".join(p.read_text(errors="replace") for p in sorted(self.dir.glob("*log")))

    def close(self):
        if self.proc:
            self.proc.stop(timeout=3)
            self.proc = None
        shutil.rmtree(self.dir, ignore_errors=True)


class Nginx(WebServer):
    """variant: keep, buffering, request_buffering, users ({name: password}), extra (text in the location), prefix (of the location), tls (folder
    with server.crt, server.key and the clients' ca.crt)."""

    name = "nginx"
    this_host = [("allow 127.0.0.1;", "allow 192.0.2.1;")]

    def configure(self, keep=True, buffering=True, request_buffering=True, users=None, extra="", tls=None, prefix="/api/"):
        upstream = [] if keep else [(r"    keepalive \d+;\n", "")]
        inside = "gzip off;"
        if not buffering:
            inside += " fastcgi_buffering off;"
        if not request_buffering:
            inside += " fastcgi_request_buffering off;"
        locations = [(r"gzip off;", inside + extra), ("location /api/ ", f"location {prefix} ")]
        if not keep:
            locations.append(("fastcgi_keep_conn on;", "fastcgi_keep_conn off;"))
        if users:
            htpasswd = self.write("htpasswd", "".join(f"{u}:{{PLAIN}}{p}\n" for u, p in users.items()))
            locations += [(r"#(auth_basic )", r"\1"), (r"#(fastcgi_param REMOTE_USER)", r"\1"),
                          (r"#(auth_basic_user_file) [^;]*;", rf"\1 {htpasswd};")]
        listen = ""
        if tls:
            locations.append((r"#(fastcgi_param SSL_)", r"\1"))
            listen = (f"ssl;\n        ssl_certificate {tls}/server.crt; ssl_certificate_key {tls}/server.key;\n"
                      f"        ssl_client_certificate {tls}/ca.crt; ssl_verify_client optional_no_ca")
        self.write("weir_params", self.snippet("nginx/weir_params"))
        self.write("weir_upstream.conf", self.snippet("nginx/weir_upstream.conf", *upstream))
        self.write("weir_locations.conf", self.snippet("nginx/weir_locations.conf", *locations))
        user = f"user {WEB_USER};" if os.geteuid() == 0 else ""
        temp = "\n".join(f"    {kind}_temp_path {self.dir}/{kind};" for kind in
                         ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        conf = self.write("nginx.conf", f"""{user}
worker_processes 2;
daemon off;
pid {self.dir}/pid;
error_log {self.log} info;
events {{ worker_connections 1024; }}
http {{
    access_log {self.dir}/access.log;
{temp}
    include weir_upstream.conf;
    server {{
        listen {LOOPBACK}:{self.port} {listen};
        include weir_locations.conf;
    }}
}}
""")
        self.argv = [program("nginx"), "-e", self.log, "-p", self.dir, "-c", conf]


class Apache(WebServer):
    """variant: module ("proxy" or "fcgid"), reuse, users."""

    name = "apache"
    this_host = [("Require local", "Require ip 192.0.2.1")]

    def __init__(self, site, module="proxy", **variant):
        self.starts_worker = module == "fcgid"
        super().__init__(site, module=module, **variant)

    def configure(self, module="proxy", reuse=True, users=None):
        modules = ["mpm_event", "authz_core", "authn_core", "authz_host", "alias", "mime"]
        if module == "proxy":
            modules += ["proxy", "proxy_fcgi"]
            text = self.snippet("apache/weir_proxy.conf", *([] if reuse else [("enablereuse=on", "enablereuse=off")]))
        else:
            modules += ["fcgid"]
            ipc = self.dir / "ipc"
            ipc.mkdir()
            if os.geteuid() == 0:
                shutil.chown(ipc, WEB_USER, WEB_USER)
            text = (f"FcgidIPCDir {ipc}\nFcgidProcessTableFile {self.dir}/fcgid_shm\n"
                    + self.snippet("apache/weir_fcgid.conf"))
        if users:
            modules += ["auth_basic", "authn_file", "authz_user"]
            htpasswd = self.write("htpasswd", "".join(f"{u}:{sha1_password(p)}\n" for u, p in users.items()))
            text += (f'<Location "/api/">\nAuthType Basic\nAuthName api\nAuthUserFile {htpasswd}\n'
                     "Require valid-user\n</Location>\n")
        folder = next((d for d in ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules") if os.path.isdir(d)), None)
        if not folder:
            raise Failure("no Apache modules found")
        load = "".join(f"LoadModule {m}_module {folder}/mod_{m}.so\n" for m in modules)
        user = f"User {WEB_USER}\nGroup {WEB_USER}\n" if os.geteuid() == 0 else ""
        conf = self.write("apache.conf", f"""{load}{user}
ServerRoot {self.dir}
DefaultRuntimeDir {self.dir}
PidFile {self.dir}/pid
ErrorLog {self.log}
LogLevel info
TypesConfig /dev/null
ServerName localhost
Listen {LOOPBACK}:{self.port}
DocumentRoot {self.dir}
StartServers 1
ThreadsPerChild 16
MaxRequestWorkers 64
KeepAlive On
{text}""")
        self.argv = [program("apache2"), "-DFOREGROUND", "-f", conf]

    def start(self):
        try:
            super().start()
        except Failure as e:
            raise Failure(f"{e}\n{self.log_text()}") from None


class Lighttpd(WebServer):
    """variant: how ("socket" or "binpath")."""

    name = "lighttpd"
    this_host = [('"127.0.0.1"', '"192.0.2.1"')]

    def __init__(self, site, how="socket", **variant):
        self.starts_worker = how == "binpath"
        super().__init__(site, how=how, **variant)

    def configure(self, how="socket"):
        user = (f'server.username = "{WEB_USER}"\nserver.groupname = "{WEB_USER}"\n' if os.geteuid() == 0 else "")
        conf = self.write("lighttpd.conf", f"""server.document-root = "{self.dir}"
server.bind = "{LOOPBACK}"
server.port = {self.port}
server.upload-dirs = ( "{self.dir}" )
server.errorlog = "{self.dir}/errors.log"
{user}{self.snippet(f"lighttpd/weir_{how}.conf")}""")
        self.argv = [program("lighttpd"), "-D", "-f", conf]


class HAProxy(WebServer):
    """variant: get_values, keep, buffer (http-buffer-request)."""

    name = "haproxy"
    this_host = [("127.0.0.0/8", "192.0.2.1")]

    def configure(self, get_values=False, keep=True, buffer=True, users=None):
        changes, check, userlist = [], "", ""
        if users:
            # The two lines that the snippet's comment gives.
            lines = re.findall(r"#   (http-request .*)", (CONF / "haproxy/weir.cfg").read_text())
            check = "".join(f"    {line}\n" for line in lines)
            userlist = "userlist users\n" + "".join(
                f"    user {u} insecure-password {p}\n" for u, p in users.items())
        if get_values:
            changes.append((r"    option keep-conn\n", "    option keep-conn\n    option get-values\n"))
        if not keep:
            changes.append((r"    option keep-conn\n", "    no option keep-conn\n"))
        if not buffer:
            changes.append((r"    option http-buffer-request\n", ""))
        conf = self.write("haproxy.cfg", f"""global
    maxconn 500
    log stderr local0
defaults
    mode http
    log global
    timeout client 65s
    timeout http-request 30s
{userlist}frontend in
    bind {LOOPBACK}:{self.port}
{check}    use_backend weir_status if {{ path /health /ready /metrics /api/performance }}
    default_backend weir
{self.snippet("haproxy/weir.cfg", *changes)}""")
        self.argv = [program("haproxy"), "-db", "-f", conf]


# Every way in that is tested: name -> function of a site. (issue: nginx keep on/off and buffering on/off, Apache
# reuse on/off, mod_fcgid, lighttpd socket and bin-path, HAProxy get-values on/off)
FRONTS = {
    "nginx": lambda site: Nginx(site),
    "nginx-no-keep": lambda site: Nginx(site, keep=False),
    "nginx-unbuffered": lambda site: Nginx(site, buffering=False, request_buffering=False),
    "nginx-no-keep-unbuffered": lambda site: Nginx(site, keep=False, buffering=False, request_buffering=False),
    "apache-proxy": lambda site: Apache(site),
    "apache-proxy-no-reuse": lambda site: Apache(site, reuse=False),
    "apache-fcgid": lambda site: Apache(site, module="fcgid"),
    "lighttpd": lambda site: Lighttpd(site),
    "lighttpd-binpath": lambda site: Lighttpd(site, how="binpath"),
    "haproxy": lambda site: HAProxy(site),
    "haproxy-get-values": lambda site: HAProxy(site, get_values=True),
    "haproxy-streaming": lambda site: HAProxy(site, keep=False, buffer=False),
}
# Those that start weir-worker by themselves: no weird, no control socket, no status socket.
STARTS_WORKER = {"apache-fcgid", "lighttpd-binpath"}
