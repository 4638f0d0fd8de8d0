-- @route GET /api/models
-- Models.
-- @param category optional maxlen 64
-- @param limit default 20 range 1..100
-- @choice sort price:desc|name default name
-- @cache 60s stale 5m tags models per user
-- @limit 100/s burst 200 per user
SELECT id FROM m WHERE (:category::text IS NULL OR c = :category) ORDER BY :sort LIMIT :limit;
