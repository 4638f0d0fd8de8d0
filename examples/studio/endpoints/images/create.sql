-- @route   POST /api/images
-- Makes an image and pays for it: both or none. 422 without enough credits or if the model does not offer this.
-- @auth    user
-- @param   me               from user
-- @param   prompt           minlen 3  maxlen 2000
-- @param   size             default 1024x1024
-- @param   negative_prompt  optional  maxlen 2000
-- @param   visibility       default public  choice public|unlisted|private
-- @param   tags             optional
-- @param   settings         optional
-- @param   seed             optional
-- @param   client           from header X-Studio-Client  optional  maxlen 64
-- @returns row
-- @status  201
-- @header  Location: /api/images/{id}
-- @invalidates images user:{user}
-- @limit   2/s burst 10 per user
-- @idempotent key Idempotency-Key for 1d
SELECT id, cost, credits, created_at
  FROM create_image(auth0_id => :me, model_id => :model_id, prompt => :prompt, size => :size,
                    negative_prompt => :negative_prompt, visibility => :visibility, tags => :tags,
                    settings => :settings, seed => :seed, client => :client)
