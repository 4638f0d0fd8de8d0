-- @route   POST /api/me/credits
-- Buys credits and answers with the new balance.
-- @auth    user
-- @param   me      from user
-- @param   amount  range 1..10000
-- @param   note    optional  maxlen 200
-- @returns row
-- @status  201
-- @header  Location: /api/me/transactions
-- @invalidates user:{user}
-- @audit
-- @idempotent key Idempotency-Key for 1d
SELECT id, bought, credits, created_at
  FROM buy_credits(auth0_id => :me, amount => :amount, note => :note)
