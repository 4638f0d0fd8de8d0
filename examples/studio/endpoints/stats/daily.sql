-- @route   GET /api/stats/daily
-- Public images per day (UTC), for the days from since up to until, by default the last thirty with images.
-- @param   since  optional
-- @param   until  optional
-- @slow    300ms
-- @timeout 5s
-- @cache   5m  stale 1h
SELECT (created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS images, count(DISTINCT model_id) AS models
  FROM images,
       (SELECT coalesce(:until::date, (max(created_at) AT TIME ZONE 'UTC')::date + 1) AS until
          FROM images WHERE visibility = 'public') d
 WHERE visibility = 'public'
   AND created_at >= coalesce(:since::date, d.until - 30)::timestamp AT TIME ZONE 'UTC'
   AND created_at < d.until::timestamp AT TIME ZONE 'UTC'
 GROUP BY day
 ORDER BY day
