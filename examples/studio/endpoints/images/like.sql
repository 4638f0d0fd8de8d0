-- @route   PUT /api/images/{id}/like
-- Likes an image; doing it again changes nothing. Answers with the number of likes.
-- @auth    user
-- @param   me  from user
-- @returns row
-- @invalidates images image:{id}
SELECT id, likes FROM like_image(auth0_id => :me, image_id => :id)
