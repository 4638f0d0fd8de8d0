'use strict';
const common = require('./common.js');

common.start(() => {
	const sql = require('postgres')({ path: `${process.env.PGHOST}/.s.PGSQL.5432`, max: common.pool });
	const row = async (id) => (await sql`SELECT id, randomnumber FROM world WHERE id = ${id}`)[0];
	require('./routes.js')({
		row,
		rows12: () => sql`SELECT id, message FROM fortune ORDER BY id`,
		rows50: (grp) => sql`SELECT id, name, category, price, featured, description
			FROM item WHERE grp = ${grp} ORDER BY id`,
		q20: (id) => Promise.all(common.ids(id).map(row)),
	});
});
