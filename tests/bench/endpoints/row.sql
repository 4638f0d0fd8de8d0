-- @route   GET /row
-- One row by its key.
-- @param   id  required  range 1..10000
-- @returns row
SELECT id, randomnumber FROM world WHERE id = :id
