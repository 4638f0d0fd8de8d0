-- @route   GET /api/chat/sessions
-- One's own conversations, the latest used first. The next page: the last row's updated_at as before and
-- its id as before_id.
-- @auth    user
-- @cache   30s  per user  tags chats:{user}
-- @param   me         from user
-- @param   before     optional
-- @param   before_id  default ffffffff-ffff-ffff-ffff-ffffffffffff
-- @param   limit      default 20  range 1..100
SELECT s.id, s.title, s.model_id, s.messages, s.created_at, s.updated_at
  FROM chat_sessions s
 WHERE s.user_id = (SELECT id FROM users WHERE auth0_id = :me)
   AND (s.updated_at, s.id) < (coalesce(:before::timestamptz, 'infinity'), :before_id)
 ORDER BY s.updated_at DESC, s.id DESC
 LIMIT :limit
