-- @route   GET /api/images/{id}
-- An image that is not private.
-- @returns row
-- @cache   60s  stale-if-error 1h  tags image:{id}
SELECT id, user_id, model_id, prompt, negative_prompt, size, visibility, tags, settings, seed, placeholder, likes, created_at
  FROM images
 WHERE id = :id AND visibility <> 'private'
