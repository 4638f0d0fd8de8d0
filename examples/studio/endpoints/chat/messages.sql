-- @route   GET /api/chat/sessions/{id}/messages
-- What was said in a conversation of one's own, in order. The next page: the last row's id as after.
-- @auth    user
-- @cache   30s  per user  tags chats:{user}
-- @param   me     from user
-- @param   after  default 0
-- @param   limit  default 50  range 1..200
SELECT m.id, m.role, m.content, m.image_ids, m.tokens, m.created_at
  FROM chat_messages m
 WHERE m.session_id = (SELECT s.id FROM chat_sessions s JOIN users u ON u.id = s.user_id
                        WHERE s.id = :id AND u.auth0_id = :me)
   AND m.id > :after
 ORDER BY m.id
 LIMIT :limit
