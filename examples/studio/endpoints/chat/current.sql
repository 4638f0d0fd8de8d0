-- @route   GET /api/chat/current
-- The conversation that the cookie studio_chat names, with its last message.
-- @auth    user
-- @param   me       from user
-- @param   session  from cookie studio_chat
-- @returns row
SELECT s.id, s.title, s.messages, l.role AS last_role, l.content AS last_message, s.updated_at
  FROM chat_sessions s
  JOIN users u ON u.id = s.user_id
  LEFT JOIN LATERAL (SELECT role, content FROM chat_messages
                      WHERE session_id = s.id ORDER BY id DESC LIMIT 1) l ON true
 WHERE s.id = :session::uuid AND u.auth0_id = :me
