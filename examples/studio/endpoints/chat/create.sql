-- @route   POST /api/chat/sessions
-- Begins a conversation.
-- @auth    user
-- @param   me        from user
-- @param   title     minlen 1  maxlen 200
-- @param   model_id  optional
-- @returns row
-- @invalidates chats:{user}
-- @status  201
-- @header  Location: /api/chat/sessions/{id}
INSERT INTO chat_sessions (user_id, title, model_id)
SELECT id, :title, :model_id::int FROM users WHERE auth0_id = :me
RETURNING id, title, model_id, created_at
