-- @route   GET /api/images
-- The public feed, newest first. The next page: the last row's created_at as before, its id as before_id.
-- @param   before     optional
-- @param   before_id  default 9223372036854775807
-- @param   limit      default 30  range 1..100
-- @cache   5s  stale 30s  tags images
SELECT id, user_id, model_id, prompt, size, tags, likes, created_at
  FROM images
 WHERE visibility = 'public'
   AND (created_at, id) < (coalesce(:before::timestamptz, 'infinity'), :before_id)
 ORDER BY created_at DESC, id DESC
 LIMIT :limit
