-- @route   GET /api/me
-- The account of who asks. 404 if the web server asserts a user that has none here.
-- @auth    user
-- @param   me  from user
-- @returns row
-- @cache   30s  per user  tags user:{user}
SELECT id, email, display_name, credits, preferences, last_ip, created_at
  FROM users
 WHERE auth0_id = :me
