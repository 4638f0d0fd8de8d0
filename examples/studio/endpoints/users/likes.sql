-- @route   GET /api/users/{id}/likes
-- Images that a user likes, latest first. The next page: the last row's liked_at as before and its
-- id as before_id.
-- @param   before     optional
-- @param   before_id  default 9223372036854775807
-- @param   limit      default 20  range 1..100
SELECT i.id, i.user_id, i.prompt, i.size, i.likes, l.created_at AS liked_at
  FROM image_likes l
  JOIN images i ON i.id = l.image_id
 WHERE l.user_id = :id AND i.visibility = 'public'
   AND (l.created_at, l.image_id) < (coalesce(:before::timestamptz, 'infinity'), :before_id)
 ORDER BY l.created_at DESC, l.image_id DESC
 LIMIT :limit
