-- @route   GET /api/categories
-- What the catalogue has, by category.
-- @cache   5m  stale 1h  tags models
SELECT category, count(*) AS models, count(*) FILTER (WHERE featured) AS featured,
       min(credits_per_image) AS cheapest, round(avg(quality), 1) AS quality
  FROM ai_models
 WHERE retired_at IS NULL
 GROUP BY category
 ORDER BY models DESC, category
