'use strict';
const common = require('./common.js');
common.start(() => require('./routes.js')(common.pg()));
