-- @route   GET /api/me/credits
-- The balance, one number.
-- @auth    user
-- @param   me  from user
-- @returns value
-- @cache   30s  per user  tags user:{user}
SELECT credits FROM users WHERE auth0_id = :me
