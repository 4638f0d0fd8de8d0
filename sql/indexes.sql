-- Every index that the endpoints of examples/studio need beyond primary keys and unique constraints, and no other.
-- Each one names the endpoint files whose queries use it; sql/explain-endpoints measures what it gains, and
-- tests/it/test_40_sample.py holds that the queries named use it.
--
-- No foreign key has an index for its own sake: images is the only table that endpoints delete from and that is
-- referred to, and the cascade to image_likes goes by that table's primary key. Accounts and models stay.

\set ON_ERROR_STOP on
SET search_path = public;

CREATE INDEX IF NOT EXISTS ai_models_featured_idx ON ai_models (created_at DESC, id DESC)
    WHERE featured AND retired_at IS NULL;
COMMENT ON INDEX ai_models_featured_idx IS 'models/featured.sql';

CREATE INDEX IF NOT EXISTS ai_models_name_idx ON ai_models (name, id);
COMMENT ON INDEX ai_models_name_idx IS 'models/catalogue.sql';

CREATE INDEX IF NOT EXISTS images_feed_idx ON images (created_at DESC, id DESC) INCLUDE (model_id)
    WHERE visibility = 'public';
COMMENT ON INDEX images_feed_idx IS 'images/feed.sql images/trending.sql images/count.sql stats/daily.sql stats/models.sql';

CREATE INDEX IF NOT EXISTS images_user_idx ON images (user_id, id DESC);
COMMENT ON INDEX images_user_idx IS 'users/images.sql users/get.sql';

CREATE INDEX IF NOT EXISTS images_model_idx ON images (model_id, created_at);
COMMENT ON INDEX images_model_idx IS 'models/stats.sql';

CREATE INDEX IF NOT EXISTS images_prompt_idx ON images USING gin (to_tsvector('english', prompt));
COMMENT ON INDEX images_prompt_idx IS 'images/search.sql';

CREATE INDEX IF NOT EXISTS image_likes_user_idx ON image_likes (user_id, created_at DESC, image_id DESC);
COMMENT ON INDEX image_likes_user_idx IS 'users/likes.sql';

CREATE INDEX IF NOT EXISTS chat_sessions_user_idx ON chat_sessions (user_id, updated_at DESC, id DESC);
COMMENT ON INDEX chat_sessions_user_idx IS 'chat/list.sql';

CREATE INDEX IF NOT EXISTS chat_messages_session_idx ON chat_messages (session_id, id);
COMMENT ON INDEX chat_messages_session_idx IS 'chat/messages.sql chat/current.sql';

CREATE INDEX IF NOT EXISTS credit_transactions_user_idx ON credit_transactions (user_id, id DESC);
COMMENT ON INDEX credit_transactions_user_idx IS 'me/transactions.sql';

-- The expression of images_prompt_idx gets statistics only after this.
ANALYZE images;
