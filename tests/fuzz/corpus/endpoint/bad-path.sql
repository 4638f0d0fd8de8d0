-- @route GET //a/{/x}?y
SELECT 1