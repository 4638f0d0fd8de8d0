-- @route   GET /api/models/{id}
-- A model with its performance figures.
-- @returns row
-- @cache   5m  stale-if-error 1h  negative 30s  tags models
SELECT id, slug, name, category, description, featured, credits_per_image, quality, median_ms, p95_ms,
       success_rate, resolution, styles, specs, released_on, retired_at, created_at
  FROM ai_models
 WHERE id = :id
