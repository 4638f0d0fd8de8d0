-- The studio's tables whose writers Weir hears of: psql, jobs, other hosts' Weirs. After events.sql, by the tables' owner.
-- The tags are those of @cache in examples/studio/endpoints; the first one stands for the whole table.
SELECT weir.watch('images', 'images', 'image:{id}');
SELECT weir.watch('ai_models', 'models');
SELECT weir.watch('users', 'users', 'user:{auth0_id}');
