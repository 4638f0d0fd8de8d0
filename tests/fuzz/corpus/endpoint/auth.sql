-- @route GET /a/{x}
-- @auth user role admin|staff claim tenant.plan=gold|silver
-- @auth claim https://example.com/ok=true
-- @rls
-- @param t from claim tenant.id
-- @param g from claim groups optional
-- @param me from user
SELECT :x, :t, :g, :me
