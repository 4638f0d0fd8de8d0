-- @route   GET /hit
-- One row by its key, out of the cache.
-- @param   id  required  range 1..10000
-- @returns row
-- @cache   1h  tags world:{id}
SELECT id, randomnumber FROM world WHERE id = :id
