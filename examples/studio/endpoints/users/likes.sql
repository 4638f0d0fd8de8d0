-- @route   GET /api/users/{id}/likes
-- Images that a user likes, latest first. The next page: the last row's liked_at as before.
-- @param   before  optional
-- @param   limit   default 20  range 1..100
SELECT i.id, i.user_id, i.prompt, i.size, i.likes, l.created_at AS liked_at
  FROM image_likes l
  JOIN images i ON i.id = l.image_id
 WHERE l.user_id = :id AND l.created_at < coalesce(:before::timestamptz, 'infinity') AND i.visibility = 'public'
 ORDER BY l.created_at DESC
 LIMIT :limit
