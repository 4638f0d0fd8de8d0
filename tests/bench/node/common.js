// What the node peers share: their SQL, their processes, their socket.
'use strict';
const cluster = require('node:cluster');
const fs = require('node:fs');

exports.SQL = {
	row: 'SELECT id, randomnumber FROM world WHERE id = $1',
	rows12: 'SELECT id, message FROM fortune ORDER BY id',
	rows50: 'SELECT id, name, category, price, featured, description FROM item WHERE grp = $1 ORDER BY id',
};
exports.ids = (id) => Array.from({ length: 20 }, (_, i) => ((id - 1 + 479 * i) % 10000) + 1);
exports.socket = process.env.LISTEN;
exports.pool = Number(process.env.POOL);

// Runs serve() here, or in as many processes as WORKERS says.
exports.start = (serve) => {
	const workers = Number(process.env.WORKERS);
	if (cluster.isPrimary)
		fs.rmSync(exports.socket, { force: true });
	if (workers === 1 || cluster.isWorker) {
		serve();
		return;
	}
	for (let i = 0; i < workers; i++)
		cluster.fork();
	cluster.on('exit', () => process.exit(1));
	process.on('SIGTERM', () => {
		cluster.removeAllListeners('exit');
		for (const w of Object.values(cluster.workers))
			w.kill();
		process.exit(0);
	});
};

// pg: named statements, so that a connection parses each once; unnamed ones are what most applications send.
exports.pg = ({ named = true } = {}) => {
	const { Pool } = require('pg');
	const pool = new Pool({ max: exports.pool, idleTimeoutMillis: 0 });
	const rows = async (name, values) => (await pool.query(
		{ name: named ? name : undefined, text: exports.SQL[name], values })).rows;
	return {
		row: async (id) => (await rows('row', [id]))[0],
		rows12: () => rows('rows12'),
		rows50: (grp) => rows('rows50', [grp]),
		q20: (id) => Promise.all(exports.ids(id).map(async (i) => (await rows('row', [i]))[0])),
	};
};
