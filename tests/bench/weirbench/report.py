"""The table: medians of what was measured, ratios of runs that stood side by side, targets met or missed."""
from statistics import median

from . import peers

# endpoint, peers, least ratio (Weir / the best variant of the peer, but for the ceiling: same Sync mode, same workers)
TARGETS = [
    ("row", "ceiling", 0.9), ("rows12", "ceiling", 0.9), ("rows50", "ceiling", 0.9), ("null", "ceiling", 0.9),
    ("row", "php", 6.0), ("row", "fastify", 4.0), ("row", "express", 14.0),
    ("row", "express-stock", 14.0),
]


class Results:
    def __init__(self, runs):
        self.runs = [r for r in runs if r.get("run")]
        self.skipped = [r for r in runs if r.get("skipped")]
        self.facts = next((r for r in runs if r.get("facts")), {}).get("facts", {})
        self.by = {}
        for r in self.runs:
            if not r["void"]:
                self.by.setdefault((r["endpoint"], r["variant"]), {})[r["pass"]] = r

    def endpoints(self):
        return [e for e in peers.ENDPOINTS if any(k[0] == e for k in self.by)]

    def variants(self, endpoint):
        order = list(dict.fromkeys(r["variant"] for r in self.runs))
        return [v for v in order if (endpoint, v) in self.by]

    def rate(self, endpoint, variant):
        return median(r["rate"] for r in self.by[endpoint, variant].values())

    def best(self, endpoint, name):
        """The best variant of a peer; fastify stands for both of its drivers."""
        mine = [v for v in self.variants(endpoint) if v.split(":")[0] in (name, name + "-postgres")]
        return max(mine, key=lambda v: self.rate(endpoint, v), default=None)

    def ratio(self, endpoint, a, b):
        """(median, low, high) of the ratios within each pass, or None."""
        left, right = self.by.get((endpoint, a), {}), self.by.get((endpoint, b), {})
        r = sorted(left[p]["rate"] / right[p]["rate"] for p in left if p in right and right[p]["rate"] > 0)
        return (median(r), r[0], r[-1]) if r else None

    def reference(self, endpoint, variant):
        """The ceiling that a variant is held against, at its best number of connections: for Weir with its own Sync
        mode and workers, for others with own Sync."""
        name, *setting = variant.split(":")
        like = ["own"]
        if name in ("weir", "worker"):
            like = [setting[0], "1" if name == "worker" else setting[1]]
        same = [v for v in self.variants(endpoint) if v.split(":")[:1 + len(like)] == ["ceiling", *like]]
        return max(same, key=lambda v: self.rate(endpoint, v), default=None)


def is_weir(variant):
    return variant.split(":")[0] in ("weir", "worker")


def cell(value, digits=1):
    return "–" if value is None else f"{value:.{digits}f}"


def with_range(ratio, digits=2):
    if not ratio:
        return "–"
    text = f"{ratio[0]:.{digits}f}"
    if ratio[1] != ratio[2]:
        text += f" ({ratio[1]:.{digits}f}–{ratio[2]:.{digits}f})"
    return text


def rows(results, endpoint):
    weir = default_weir(results, endpoint)
    yield (f"| {peers.TITLES[endpoint]} | Sync | requests/s | p50 ms | p99 ms | µs CPU app | nginx | PostgreSQL | load "
           "| RSS / PSS MB | × ceiling | Weir is × |")
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    for variant in results.variants(endpoint):
        runs = list(results.by[endpoint, variant].values())
        peer = peers.make(variant)

        def mid(*keys):
            found = []
            for r in runs:
                value = r
                for k in keys:
                    value = value.get(k) if isinstance(value, dict) else None
                if value is not None:
                    found.append(value)
            return median(found) if found else None

        label = peer.label
        if variant == "pgbench":
            label += f", best of {'/'.join(map(str, peers.Pgbench.CLIENTS))} clients: {runs[0].get('clients')}"
        mark = "\\*" if any(r["noisy"] for r in runs) else ""
        ref = results.reference(endpoint, variant)
        rss, pss = mid("rss_kb"), mid("pss_kb")
        yield ("| " + " | ".join([
            label, peer.sync, f"{mid('rate'):,.0f}{mark}", cell(mid("p50"), 2), cell(mid("p99"), 2),
            cell(mid("us_per_request", "app")), cell(mid("us_per_request", "nginx")),
            cell(mid("us_per_request", "postgres")), cell(mid("us_per_request", "load")),
            "–" if rss is None else f"{rss / 1024:.0f} / {pss / 1024:.0f}",
            "1" if ref == variant else with_range(results.ratio(endpoint, variant, ref)) if ref else "–",
            with_range(results.ratio(endpoint, weir, variant)) if weir and weir != variant else "–",
        ]) + " |")


def by_process(results, endpoint):
    """What Weir's µs consist of, and how much of a processor each process had."""
    for variant in results.variants(endpoint):
        if not is_weir(variant):
            continue
        runs = results.by[endpoint, variant].values()
        names = sorted({n for r in runs for n in r["cpu_s_by_process"] if n.startswith("app/")})
        parts = [f"{n[4:]} {median(r['cpu_s_by_process'].get(n, 0) * 1e6 / r['requests'] for r in runs):.2f} µs"
                 for n in names]
        yield f"{variant}, CPU a request: {', '.join(parts)}."


def default_weir(results, endpoint):
    """Weir as it comes: own Sync; as many workers as processors, else what was measured."""
    mine = [v for v in results.variants(endpoint) if is_weir(v)]
    for wanted in (f"weir:own:{results.facts.get('processors', 2)}", "weir:own:2", "weir:own:1"):
        if wanted in mine:
            return wanted
    return mine[0] if mine else None


def targets(results):
    yield "| target of Weir | setting | against | least | measured | |"
    yield "|---|---|---|---|---|---|"
    for endpoint, name, least in TARGETS:
        for variant in results.variants(endpoint):
            if not is_weir(variant):
                continue
            if name == "ceiling":
                other = results.reference(endpoint, variant)
            elif variant == default_weir(results, endpoint):
                other = results.best(endpoint, name)
            else:
                continue
            ratio = results.ratio(endpoint, variant, other) if other else None
            verdict = "not measured" if not ratio else "met" if ratio[0] >= least else "**missed**"
            yield (f"| {peers.TITLES[endpoint]} | {variant} | {other or name} | ≥ {least:g} × "
                   f"| {with_range(ratio)} | {verdict} |")


def render(runs):
    results = Results(runs)
    lines = []
    f = results.facts
    if f:
        lines += [f"{f.get('time')}: {f.get('processors')} × {f.get('model')}, Linux {f.get('kernel')}; "
                  f"{f.get('postgres')}; {f.get('nginx')}; {f.get('wrk')}; source {f.get('source')}.",
                  f"FastCGI parameter list: {f.get('params')}. {f.get('connections')} connections, "
                  f"{f.get('seconds')} s a run, {f.get('pairs')} passes, alternately forward and backward; medians, "
                  "ratios of runs of the same pass with their range.",
                  "× ceiling: against the bare C program at its best number of connections, for Weir in the same Sync "
                  "mode with the same workers, for others at its best with own Sync. Weir is ×: Weir's default setting over that row.", ""]
    for endpoint in results.endpoints():
        lines += [*rows(results, endpoint), "", *by_process(results, endpoint), ""]
    if any(is_weir(v) for e in results.endpoints() for v in results.variants(e)):
        lines += [*targets(results), ""]
    if any(r["noisy"] for r in results.runs):
        lines.append("\\* other programs used more of the machine than allowed while this ran, after all repetitions.")
    voided = [f"{r['variant']} {r['endpoint']}: {r['errors']} errors in {r['requests']} requests"
              for r in results.runs if r["void"]]
    if voided:
        lines.append("Void, more than 0.2 % errors: " + "; ".join(voided) + ".")
    for r in results.skipped:
        lines.append(f"Left out: {r['skipped']}: {r['why']}")
    if results.runs:
        foreign = [r["foreign"] for r in results.runs]
        lines.append(f"Foreign CPU: median {median(foreign) * 100:.1f} %, most {max(foreign) * 100:.1f} % of the machine.")
    return "\n".join(lines)
