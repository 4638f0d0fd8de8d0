-- @route   GET /api/models/featured
-- The front page: the twelve newest featured models.
-- @cache   60s  stale 5m  tags models
SELECT id, slug, name, category, credits_per_image, quality
  FROM ai_models
 WHERE featured AND retired_at IS NULL
 ORDER BY created_at DESC, id DESC
 LIMIT 12
