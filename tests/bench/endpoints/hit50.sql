-- @route   GET /hit50
-- Fifty rows of six columns, about 8.8 KB, out of the cache.
-- @param   grp  required
-- @cache   1h  tags item:{grp}
SELECT id, name, category, price, featured, description FROM item WHERE grp = :grp ORDER BY id
