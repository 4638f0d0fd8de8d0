// Run by Bun, not by node: its own HTTP server and its own PostgreSQL driver.
import { SQL } from 'bun';

const socket = process.env.LISTEN;
if (process.env.WORKERS === '2')
	Bun.spawn([process.execPath, import.meta.path], { env: { ...process.env, WORKERS: '1', LISTEN: `${socket}.2` },
		stdout: 'inherit', stderr: 'inherit', onExit: () => process.exit(1) });

const sql = new SQL({ path: `${process.env.PGHOST}/.s.PGSQL.5432`, adapter: 'postgres', username: process.env.PGUSER,
	database: process.env.PGDATABASE, max: Number(process.env.POOL) });
const row = async (id) => (await sql`SELECT id, randomnumber FROM world WHERE id = ${id}`)[0];
const argument = (req, name) => Number(new URL(req.url).searchParams.get(name));

Bun.serve({
	unix: socket,
	async fetch(req) {
		const at = req.url.indexOf('/', 8), end = req.url.indexOf('?', at);
		switch (end < 0 ? req.url.slice(at) : req.url.slice(at, end)) {
		case '/null':
			return new Response(null, { status: 204 });
		case '/row':
			return Response.json(await row(argument(req, 'id')));
		case '/rows12':
			return Response.json(await sql`SELECT id, message FROM fortune ORDER BY id`);
		case '/rows50':
			return Response.json(await sql`SELECT id, name, category, price, featured, description
				FROM item WHERE grp = ${argument(req, 'grp')} ORDER BY id`);
		case '/q20': {
			const id = argument(req, 'id');
			return Response.json(await Promise.all(Array.from({ length: 20 },
				(_, i) => row(((id - 1 + 479 * i) % 10000) + 1))));
		}
		default:
			return new Response(null, { status: 404 });
		}
	},
});
