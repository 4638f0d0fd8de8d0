-- @route   GET /api/models/{id}/stats
-- How a model was used in the days before its newest image.
-- @param   days  default 30  range 1..90
-- @returns row
-- @slow    200ms
-- @cache   60s
SELECT m.id, m.name, count(i.id) AS images, count(DISTINCT i.user_id) AS users, coalesce(sum(i.likes), 0) AS likes,
       coalesce(sum(i.cost), 0) AS credits, max(i.created_at) AS newest, max(i.created_at) - min(i.created_at) AS span
  FROM ai_models m
  LEFT JOIN LATERAL (SELECT max(created_at) AS newest FROM images WHERE model_id = m.id) l ON true
  LEFT JOIN images i ON i.model_id = m.id AND i.created_at > l.newest - make_interval(days => :days)
 WHERE m.id = :id
 GROUP BY m.id
