-- @route   GET /api/users/{id}/images
-- A user's public images, newest first. The next page: the last row's id as before.
-- @param   before  default 9223372036854775807
-- @param   limit   default 50  range 1..100
-- @cache   10s  tags images
SELECT id, model_id, prompt, size, likes, created_at
  FROM images
 WHERE user_id = :id AND visibility = 'public' AND id < :before
 ORDER BY id DESC
 LIMIT :limit
