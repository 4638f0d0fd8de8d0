-- @route   GET /rows12
-- Twelve short rows.
SELECT id, message FROM fortune ORDER BY id
