'use strict';
const express = require('express');
const common = require('./common.js');

// As it comes, with the middleware that most applications load, or at its best.
const stock = process.env.STOCK === '1';

common.start(() => {
	const db = common.pg({ named: !stock });
	const app = express();
	if (stock) {
		app.use(require('compression')());
	} else {
		app.disable('x-powered-by');
		app.disable('etag');
	}
	app.get('/null', (req, res) => res.status(204).end());
	app.get('/row', async (req, res) => res.json(await db.row(Number(req.query.id))));
	app.get('/rows12', async (req, res) => res.json(await db.rows12()));
	app.get('/rows50', async (req, res) => res.json(await db.rows50(Number(req.query.grp))));
	app.get('/q20', async (req, res) => res.json(await db.q20(Number(req.query.id))));
	app.listen(common.socket);
});
