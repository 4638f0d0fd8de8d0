-- @route   GET /api/chat/sessions/{id}
-- A conversation of one's own.
-- @auth    user
-- @param   me  from user
-- @returns row
-- @cache   30s  per user  tags chats:{user}
SELECT s.id, s.title, s.model_id, m.name AS model, s.messages, s.created_at, s.updated_at
  FROM chat_sessions s
  JOIN users u ON u.id = s.user_id
  LEFT JOIN ai_models m ON m.id = s.model_id
 WHERE s.id = :id AND u.auth0_id = :me
