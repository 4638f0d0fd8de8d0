-- @route   GET /api/me/transactions
-- The ledger of one's own credits, latest first; type may be repeated: ?type=spend&type=refund. The next page: the last
-- row's id as before.
-- @auth    user
-- @cache   30s  per user  tags user:{user}
-- @param   me      from user
-- @param   type    optional
-- @param   before  default 9223372036854775807
-- @param   limit   default 50  range 1..200
SELECT t.id, t.type, t.amount, t.balance_after, t.image_id, t.note, t.created_at
  FROM credit_transactions t
 WHERE t.user_id = (SELECT id FROM users WHERE auth0_id = :me)
   AND t.id < :before
   AND (:type::credit_kind[] IS NULL OR t.type = ANY (:type))
 ORDER BY t.id DESC
 LIMIT :limit
