-- @route   PUT /api/me/preferences
-- Replaces the preferences with the body, a JSON object.
-- @auth    user
-- @param   me   from user
-- @param   doc  from body
-- @returns json
-- @invalidates user:{user}
UPDATE users SET preferences = :doc::jsonb WHERE auth0_id = :me RETURNING preferences
