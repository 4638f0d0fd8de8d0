-- @route   GET /api/images/count
-- How many public images there are in a span of time, one number.
-- @param   since  optional
-- @param   until  optional
-- @returns value
-- @cache   60s
SELECT count(*)
  FROM images
 WHERE visibility = 'public'
   AND created_at >= coalesce(:since::timestamptz, '-infinity') AND created_at < coalesce(:until::timestamptz, 'infinity')
