-- @route   GET /api/images/trending
-- What was liked most among the public images of the last days, counted back from the newest.
-- @param   days   default 3   range 1..14
-- @param   limit  default 20  range 1..100
-- @slow    300ms
-- @cache   60s  stale 10m  stale-if-error 1h  tags images
SELECT i.id, i.user_id, u.display_name, i.prompt, i.size, i.likes, i.created_at
  FROM (SELECT max(created_at) AS newest FROM images WHERE visibility = 'public') n
  JOIN images i ON i.created_at > n.newest - make_interval(days => :days) AND i.created_at <= n.newest
  JOIN users u ON u.id = i.user_id
 WHERE i.visibility = 'public'
 ORDER BY i.likes DESC, i.id DESC
 LIMIT :limit
