-- @route GET /a
SELECT 'ÿ'