-- @route   POST /api/chat/sessions/{id}/messages
-- Says something in a conversation of one's own; 404 in another's.
-- @auth    user
-- @param   me         from user
-- @param   content    minlen 1  maxlen 20000
-- @param   image_ids  optional
-- @returns row
-- @invalidates chats:{user}
-- @status  201
SELECT id, session_id, role, content, image_ids, tokens, created_at
  FROM post_message(auth0_id => :me, session_id => :id, content => :content, image_ids => :image_ids)
