"""The servers that all peers share: a private PostgreSQL and one nginx."""
import glob
import os
import re
import signal
import socket
import urllib.request

from .machine import BenchError, Daemon, need, run, wait_for

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Postgres:
    """A cluster of its own in a temporary directory, reached through a unix socket alone."""

    DATABASE = "bench"

    def __init__(self, directory, user):
        found = glob.glob("/usr/lib/postgresql/*/bin/postgres")
        if not found:
            raise BenchError("no PostgreSQL server below /usr/lib/postgresql (Debian package postgresql)")
        self.bin = os.path.dirname(max(found, key=lambda p: int(re.search(r"/(\d+)/bin", p)[1])))
        self.dir, self.user = directory, user
        self.role = user.name or os.environ.get("USER") or "bench"
        self.data = os.path.join(directory, "pgdata")
        run([f"{self.bin}/initdb", "-D", self.data, "-A", "trust", "-U", self.role, "-E", "UTF8",
             "--locale=C.UTF-8", "--no-sync"], user)
        with open(os.path.join(self.data, "postgresql.conf"), "a") as f:
            f.write(f"listen_addresses = ''\nunix_socket_directories = '{directory}'\nshared_buffers = '256MB'\n"
                    "max_connections = 200\nTimeZone = 'UTC'\n")
        self.daemon = Daemon("postgres", [f"{self.bin}/postgres", "-D", self.data], user,
                             os.path.join(directory, "postgres.log"), stop_signal=signal.SIGINT)
        try:
            wait_for(lambda: os.path.exists(os.path.join(directory, ".s.PGSQL.5432"))
                     and os.system(f"{self.bin}/pg_isready -q -h {directory}") == 0,
                     "PostgreSQL", daemon=self.daemon)
            self.psql("-c", f"CREATE DATABASE {self.DATABASE}", database="postgres")
            self.psql("-q", "-f", os.path.join(HERE, "data.sql"), data=True)
            self.psql("-c", "VACUUM ANALYZE")
        except BaseException:
            self.daemon.stop()
            raise

    def psql(self, *args, database=None, data=False):
        argv = [f"{self.bin}/psql", "-X", "-v", "ON_ERROR_STOP=1", "-h", self.dir, "-U", self.role,
                "-d", database or self.DATABASE, *args]
        return run(argv)

    def conninfo(self):
        return f"host={self.dir} user={self.role} dbname={self.DATABASE}"

    def environment(self):
        """For peers that read libpq's variables."""
        return {"PGHOST": self.dir, "PGUSER": self.role, "PGDATABASE": self.DATABASE, "PGPORT": "5432"}

    def version(self):
        return run([f"{self.bin}/postgres", "--version"]).strip()

    def stop(self):
        self.daemon.stop()


# The parameters that a web server sends: `short` is what Weir ships, `usual` what distributions do.
TOP = os.path.dirname(os.path.dirname(HERE))
with open(os.path.join(TOP, "conf/nginx/weir_params")) as _f:
    SHORT = re.findall(r"^fastcgi_param\s+(.*);", _f.read(), re.M)
PARAMS = {
    "short": SHORT,
    "usual": ["QUERY_STRING $query_string", "REQUEST_METHOD $request_method", "CONTENT_TYPE $content_type",
              "CONTENT_LENGTH $content_length", "SCRIPT_NAME $fastcgi_script_name", "REQUEST_URI $request_uri",
              "DOCUMENT_URI $document_uri", "DOCUMENT_ROOT $document_root", "SERVER_PROTOCOL $server_protocol",
              "REQUEST_SCHEME $scheme", "GATEWAY_INTERFACE CGI/1.1", "SERVER_SOFTWARE nginx/$nginx_version",
              "REMOTE_ADDR $remote_addr", "REMOTE_PORT $remote_port", "SERVER_ADDR $server_addr",
              "SERVER_PORT $server_port", "SERVER_NAME $server_name", "REDIRECT_STATUS 200"],
}


class Nginx:
    """One nginx, a port for each kind of upstream; whoever is measured listens on the socket behind it."""

    WORKERS = 2
    HTTP = ("proxy_pass http://UPSTREAM; proxy_http_version 1.1; proxy_set_header Connection '';\n"
            "\t\t\tproxy_buffers 16 16k; proxy_buffer_size 16k;\n")

    def __init__(self, directory, user, params):
        self.dir, self.user = directory, user
        self.ports = {}
        servers = []
        php = "fastcgi_param SCRIPT_FILENAME " + directory + "/php$fastcgi_script_name.php;"
        for kind, keepalive, lines in (
                ("fastcgi", 64, self.fastcgi(params, "")),
                ("php-keep", 36, self.fastcgi(params, php)),
                ("php-close", 0, self.fastcgi(params, php, keep=False)),
                ("http", 64, self.HTTP), ("http-pair", 64, self.HTTP)):
            port = self.ports[kind] = free_port()
            keep = f"keepalive {keepalive}; keepalive_requests 1000000000; keepalive_time 1d;" if keepalive else ""
            # Who cannot share a listener between its two processes gets a socket for each.
            second = f"server unix:{self.socket(kind)}.2; " if kind == "http-pair" else ""
            servers.append(f"\tupstream {kind} {{ server unix:{self.socket(kind)}; {second}{keep} }}\n"
                           f"\tserver {{\n\t\tlisten 127.0.0.1:{port} reuseport backlog=1024;\n"
                           f"\t\tlocation / {{\n\t\t\t{lines.replace('UPSTREAM', kind)}\t\t}}\n\t}}\n")
        conf = (f"worker_processes {self.WORKERS};\nworker_cpu_affinity auto;\ndaemon off;\n"
                f"pid {directory}/nginx.pid;\nerror_log {directory}/nginx.log warn;\n"
                "worker_rlimit_nofile 4096;\nevents { worker_connections 1024; }\nhttp {\n\taccess_log off;\n"
                "\tkeepalive_requests 1000000000;\n\tserver_tokens off;\n"
                + "".join(f"\t{m}_temp_path {directory}/nginx-{m};\n"
                          for m in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
                + "".join(servers) + "}\n")
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w") as f:
            f.write(conf)
        self.daemon = Daemon("nginx", [need("nginx", "nginx-light"), "-e", f"{directory}/nginx.log", "-c", path],
                             user, f"{directory}/nginx.log", stop_signal=signal.SIGQUIT)
        try:
            wait_for(lambda: os.path.exists(f"{directory}/nginx.pid"), "nginx", daemon=self.daemon)
        except BaseException:
            self.daemon.stop()
            raise

    @staticmethod
    def fastcgi(params, extra, keep=True):
        return ("fastcgi_pass UPSTREAM; fastcgi_keep_conn " + ("on" if keep else "off") + ";\n"
                "\t\t\tfastcgi_buffers 16 16k; fastcgi_buffer_size 16k;\n"
                + "".join(f"\t\t\tfastcgi_param {p};\n" for p in PARAMS[params]) + f"\t\t\t{extra}\n")

    def socket(self, kind):
        return f"{self.dir}/{kind}.sock"

    def url(self, kind, path):
        return f"http://127.0.0.1:{self.ports[kind]}{path}"

    def get(self, kind, path, timeout=5):
        """(status, body) through nginx; status 0 when there is no answer."""
        try:
            with urllib.request.urlopen(self.url(kind, path), timeout=timeout) as r:
                return r.status, r.read()
        except urllib.error.HTTPError as e:
            return e.code, e.read()
        except OSError:
            return 0, b""

    def stop(self):
        self.daemon.stop()
