-- @route   GET /api/catalogue
-- The whole catalogue by name, in keyset pages: pass the last row's name and id as after_name and after_id.
-- @param   after_name  optional  maxlen 80
-- @param   after_id    default 0
-- @param   limit       default 50  range 1..100
-- @cache   60s  tags models
SELECT id, name, slug, category, credits_per_image, resolution, released_on, retired_at
  FROM ai_models
 WHERE (name, id) > (coalesce(:after_name::text, ''), :after_id)
 ORDER BY name, id
 LIMIT :limit
