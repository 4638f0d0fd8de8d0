-- @route   GET /api/stats/models
-- The most used models of the last days, counted back from the newest public image.
-- @param   days   default 7   range 1..30
-- @param   limit  default 10  range 1..50
-- @slow    300ms
-- @cache   5m  stale 1h
SELECT m.id, m.name, n.images, round(100.0 * n.images / sum(n.images) OVER (), 2) AS percent
  FROM (SELECT model_id, count(*) AS images
          FROM images,
               (SELECT max(created_at) AS newest FROM images WHERE visibility = 'public') l
         WHERE visibility = 'public'
           AND created_at > l.newest - make_interval(days => :days) AND created_at <= l.newest
         GROUP BY model_id) n
  JOIN ai_models m ON m.id = n.model_id
 ORDER BY n.images DESC, m.id
 LIMIT :limit
