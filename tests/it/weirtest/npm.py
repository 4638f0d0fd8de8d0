"""Programs and libraries from npm, as tests/it/npm/package.json pins them, installed into the build tree once."""

import hashlib
import os
import shutil
import subprocess

from .base import BUILD, LOOPBACK, PATIENCE, TOP, Failure, Proc, free_port, port_answers, program

SOURCE = TOP / "tests" / "it" / "npm"


def node():
    return program("node")


def packages():
    """The folder that has node_modules. What cannot be had fails the test: the suite is part of what must hold."""
    digest = hashlib.sha256((SOURCE / "package.json").read_bytes()).hexdigest()[:12]
    target = BUILD / f"npm-{digest}"
    if not (target / "complete").exists():
        npm = program("npm")
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        shutil.copy(SOURCE / "package.json", target)
        done = subprocess.run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--omit=dev"],
                              cwd=target, capture_output=True, text=True, timeout=600)
        if done.returncode:
            raise Failure(f"npm could not install {SOURCE}/package.json; these tests need the registry once:\n"
                          f"{done.stderr[-2000:]}")
        (target / "complete").touch()
    return target


def run_script(path, data, timeout=120):
    """Output of a script of tests/it/npm given data; its packages are found."""
    done = subprocess.run([node(), path], input=data, capture_output=True, text=True, timeout=timeout * PATIENCE,
                          env={**os.environ, "NODE_PATH": str(packages() / "node_modules")})
    if done.returncode:
        raise Failure(f"{path}: {done.stderr[-2000:]}")
    return done.stdout


class CacheTests:
    """http-cache-tests: its origin server, and the run of the suite against a cache in front of it."""

    def __init__(self, directory):
        self.folder = packages() / "node_modules" / "http-cache-tests"
        self.port = free_port()
        self.origin = Proc([node(), "server/server.mjs"], directory / "origin.log", cwd=self.folder,
                           env={"npm_config_protocol": "http", "npm_config_port": str(self.port),
                                "npm_config_pidfile": str(directory / "origin.pid")})
        self.origin.wait_until(lambda: port_answers(self.port), 20, "the suite's origin to listen")

    def run(self, port, timeout=300):
        """(id → True or [kind, message], the suite's tests as a list of {id, suite, kind, depends_on, browser_only})."""
        import json
        listing = ("import tests from './tests/index.mjs'; console.log(JSON.stringify(tests.flatMap(s => s.tests.map("
                   "t => ({id: t.id, suite: s.id, kind: t.kind || 'required', depends_on: t.depends_on || [],"
                   " browser_only: !!t.browser_only})))))")
        known = subprocess.run([node(), "--input-type=module", "-e", listing], cwd=self.folder, capture_output=True,
                               text=True, timeout=60)
        if known.returncode:
            raise Failure(known.stderr)
        done = subprocess.run([node(), "--no-warnings", "cli.mjs"], cwd=self.folder, capture_output=True, text=True,
                              timeout=timeout * PATIENCE,
                              env={**os.environ, "npm_config_base": f"http://{LOOPBACK}:{port}", "npm_package_config_id": ""})
        if done.returncode or not done.stdout.lstrip().startswith("{"):
            raise Failure(f"the suite did not run: {done.stdout[-500:]}{done.stderr[-2000:]}")
        return json.loads(done.stdout), json.loads(known.stdout)

    def close(self):
        self.origin.stop()
