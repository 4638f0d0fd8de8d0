-- @route   GET /api/users/{id}/page
-- What a profile page shows, in one answer: the user, the newest images, the catalogue's front page. Each part is cached for itself.
-- @returns row
-- @cache   30s  stale 1m  stale-if-error 1h  tags images models
-- @include images   = GET /api/users/{id}/images?limit=6
-- @include featured = GET /api/models/featured
SELECT id, display_name AS name, created_at::date AS since
  FROM users
 WHERE id = :id
