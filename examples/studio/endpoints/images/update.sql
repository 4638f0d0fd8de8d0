-- @route   PATCH /api/images/{id}
-- Changes what the owner may change; what is not given stays. 404 for an image of somebody else.
-- @auth    user
-- @param   me          from user
-- @param   visibility  optional  choice public|unlisted|private
-- @param   tags        optional
-- @returns row
-- @invalidates images image:{id}
UPDATE images i
   SET visibility = coalesce(:visibility::visibility, i.visibility), tags = coalesce(:tags::text[], i.tags)
  FROM users u
 WHERE i.id = :id AND u.id = i.user_id AND u.auth0_id = :me
RETURNING i.id, i.visibility, i.tags, i.likes
