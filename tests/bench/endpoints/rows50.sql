-- @route   GET /rows50
-- Fifty rows of six columns, about 8.8 KB.
-- @param   grp  required
SELECT id, name, category, price, featured, description FROM item WHERE grp = :grp ORDER BY id
