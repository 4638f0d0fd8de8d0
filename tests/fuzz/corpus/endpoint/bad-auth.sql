-- @route GET /
-- @auth none user
-- @auth role |
-- @auth claim =x claim a= claim
-- @rls x
-- @param t from claim
-- @param u from claim .a
SELECT :t
