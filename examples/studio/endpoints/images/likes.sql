-- @route   GET /api/images/{id}/likes
-- Who likes an image, latest first.
-- @param   limit  default 50  range 1..200
SELECT l.user_id, u.display_name, l.created_at
  FROM image_likes l
  JOIN users u ON u.id = l.user_id
 WHERE l.image_id = :id
   AND EXISTS (SELECT FROM images i WHERE i.id = l.image_id AND i.visibility <> 'private')
 ORDER BY l.created_at DESC, l.user_id
 LIMIT :limit
