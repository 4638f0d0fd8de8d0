-- @route   GET /api/models
-- The catalogue with filters. Pages by number; for pages that stay put while models come and go see /api/catalogue.
-- @param   category    optional  maxlen 64
-- @param   featured    optional
-- @param   max_price   optional  range 0..1000
-- @param   style       optional  maxlen 64
-- @param   limit       default 20  range 1..100
-- @param   offset      default 0   range 0..10000
-- @choice  sort        created_at:desc|name|credits_per_image|quality:desc|median_ms  default created_at:desc
-- @cache   60s  stale 5m  stale-if-error 1h  tags models
SELECT id, slug, name, category, featured, credits_per_image, quality, median_ms, styles, created_at
  FROM ai_models
 WHERE retired_at IS NULL
   AND (:category::text IS NULL OR category = :category)
   AND (:featured::boolean IS NULL OR featured = :featured)
   AND (:max_price::numeric IS NULL OR credits_per_image <= :max_price)
   AND (:style::text IS NULL OR :style = ANY (styles))
 ORDER BY :sort, id
 LIMIT :limit OFFSET :offset
