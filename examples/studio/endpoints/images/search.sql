-- @route   GET /api/images/search
-- Full text search in public prompts, newest first: q takes words, "phrases", or and -not.
-- @param   q       minlen 2  maxlen 200
-- @param   before  default 9223372036854775807
-- @param   limit   default 20  range 1..50
-- @set     plan_cache_mode force_custom_plan
-- @timeout 5s
-- @slow    500ms
-- @limit   5/s burst 20 per address
WITH found AS MATERIALIZED (   -- or the planner may walk the key backwards, parsing prompt after prompt
    SELECT id FROM images
     WHERE to_tsvector('english', prompt) @@ websearch_to_tsquery('english', :q)
       AND visibility = 'public' AND id < :before
), page AS (
    SELECT id FROM found ORDER BY id DESC LIMIT :limit
)
SELECT i.id, i.user_id, i.prompt, i.size, i.likes, i.created_at,
       ts_headline('english', i.prompt, websearch_to_tsquery('english', :q), 'StartSel=<b>,StopSel=</b>') AS found
  FROM page
  JOIN images i ON i.id = page.id
 ORDER BY i.id DESC
