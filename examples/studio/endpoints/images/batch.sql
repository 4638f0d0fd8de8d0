-- @route   GET /api/images/batch
-- Several images at once: /api/images/batch?ids=1&ids=2; at most 100, by id.
-- @param   ids
SELECT id, user_id, model_id, prompt, size, likes, created_at
  FROM images
 WHERE id = ANY ((:ids::bigint[])[1:100]) AND visibility <> 'private'
 ORDER BY id
