-- @route   DELETE /api/images/{id}/like
-- Takes a like back; 204 also if there was none.
-- @auth    user
-- @param   me  from user
-- @returns none
-- @invalidates images image:{id}
DELETE FROM image_likes l
 USING users u
 WHERE l.image_id = :id AND l.user_id = u.id AND u.auth0_id = :me
