// Fastify's routes, over whichever driver gives `db`. The schemas let it write JSON without reflection.
'use strict';
const fastify = require('fastify');
const common = require('./common.js');

const integer = { type: 'integer' }, string = { type: 'string' };
const object = (properties) => ({ type: 'object', properties });
const world = object({ id: integer, randomnumber: integer });
const array = (items) => ({ type: 'array', items });
const item = object({ id: integer, name: string, category: string, price: integer,
	featured: { type: 'boolean' }, description: string });
const schema = (answer, parameter) => ({
	response: { 200: answer },
	...(parameter && { querystring: { ...object({ [parameter]: integer }), required: [parameter] } }),
});

module.exports = (db) => {
	const app = fastify({ logger: false });
	app.get('/null', (req, reply) => reply.code(204).send());
	app.get('/row', { schema: schema(world, 'id') }, (req) => db.row(req.query.id));
	app.get('/rows12', { schema: schema(array(object({ id: integer, message: string }))) }, () => db.rows12());
	app.get('/rows50', { schema: schema(array(item), 'grp') }, (req) => db.rows50(req.query.grp));
	app.get('/q20', { schema: schema(array(world), 'id') }, (req) => db.q20(req.query.id));
	app.listen({ path: common.socket });
};
