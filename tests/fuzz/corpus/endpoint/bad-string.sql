-- @route GET /a
SELECT 'x
