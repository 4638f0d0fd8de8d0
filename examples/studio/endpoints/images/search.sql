-- @route   GET /api/images/search
-- Full text search in public prompts, newest first: q takes words, "phrases", or and -not.
-- @param   q       minlen 2  maxlen 200
-- @param   before  default 9223372036854775807
-- @param   limit   default 20  range 1..50
-- @set     plan_cache_mode force_custom_plan
-- @timeout 5s
-- @slow    500ms
-- @limit   5/s burst 20 per address
SELECT id, user_id, prompt, size, likes, created_at,
       ts_headline('english', prompt, websearch_to_tsquery('english', :q), 'StartSel=<b>,StopSel=</b>') AS found
  FROM (SELECT id, user_id, prompt, size, likes, created_at
          FROM images
         WHERE to_tsvector('english', prompt) @@ websearch_to_tsquery('english', :q)
           AND visibility = 'public' AND id < :before
         ORDER BY id DESC
         LIMIT :limit) hits
 ORDER BY id DESC
