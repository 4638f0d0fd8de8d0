-- @route   GET /api/models/compare
-- Models side by side: /api/models/compare?ids=3&ids=17&ids=44, in the order asked for.
-- @param   ids
-- @header  Cache-Control: public, max-age=60
SELECT m.id, m.name, m.credits_per_image, m.quality, m.median_ms, m.p95_ms, m.success_rate, m.resolution, m.specs
  FROM unnest((:ids::int[])[1:20]) WITH ORDINALITY AS asked (id, place)
  JOIN ai_models m ON m.id = asked.id
 ORDER BY asked.place
