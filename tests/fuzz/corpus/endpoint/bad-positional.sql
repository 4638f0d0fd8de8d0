-- @route GET /a
SELECT $1, $x$