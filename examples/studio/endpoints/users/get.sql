-- @route   GET /api/users/{id}
-- A public profile as one document, made by the database.
-- @returns json
-- @cache   30s  tags images
SELECT json_build_object(
           'id', u.id, 'name', u.display_name, 'since', u.created_at::date,
           'latest', (SELECT coalesce(json_agg(l), '[]')
                        FROM (SELECT id, size, likes FROM images
                               WHERE user_id = u.id AND visibility = 'public' ORDER BY id DESC LIMIT 6) l))
  FROM users u
 WHERE u.id = :id
