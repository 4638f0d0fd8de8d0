-- @route   DELETE /api/images/{id}
-- Deletes one's own image with its likes; what was paid stays in the ledger. 404 for an image of somebody else.
-- @auth    user
-- @param   me  from user
-- @returns row
-- @invalidates images image:{id}
-- @audit
DELETE FROM images i
 USING users u
 WHERE i.id = :id AND u.id = i.user_id AND u.auth0_id = :me
RETURNING i.id, i.likes, i.created_at
