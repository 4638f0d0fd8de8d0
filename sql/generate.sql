-- Data for the studio: psql -v scale=1 -f sql/generate.sql (after schema.sql, before indexes.sql is fastest).
--
-- scale 1: 10,000 users, 500,000 images, 100,000 messages in 10,000 sessions, 200,000 transactions and about
-- 190,000 likes; all of these are proportional to scale. 300 models, more only above scale 1: a catalogue does not
-- shrink with its users, and always has 36 featured models.
-- WHATEVER THE TABLES HOLD IS REPLACED.
--
-- Deterministic: every random-looking value is a hash of its row number; the same scale and until give the same rows.
-- Skew: users, models and words by Zipf's law, low user ids being the most active (at scale 1 users 1 to 800 have more
-- than 50 images each); activity grows with time over the two years before -v until=… (default 2026-01-01 UTC).

\set ON_ERROR_STOP on
\if :{?scale} \else \set scale 1 \endif
\if :{?until} \else \set until '2026-01-01 00:00:00+00' \endif

BEGIN;
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;
SET LOCAL timezone = 'UTC';
SET LOCAL work_mem = '128MB';
SET LOCAL synchronous_commit = off;
SET LOCAL jit = off;

SELECT greatest(10, 10000 * :scale)::int          AS n_users,
       greatest(300, 300 * :scale)::int           AS n_models,
       greatest(500, 500000 * :scale)::int        AS n_images,
       greatest(200, 200000 * :scale)::int        AS n_likes,
       greatest(10, 10000 * :scale)::int          AS n_sessions,
       greatest(100, 100000 * :scale)::int        AS n_messages,
       greatest(200, 200000 * :scale)::int        AS n_transactions,
       greatest(160, 160000 * :scale)::int        AS n_spends,
       (timestamptz :'until' - interval '730 days')::text AS since
\gset

-- [0, 1) from a row number; another salt is another variable.
CREATE FUNCTION pg_temp.u(i bigint, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN (hashint8extended(i, salt) & 4503599627370495)::float8 / 4503599627370496.0;
-- 1 … n with P(k) ~ k^-s, from a uniform v.
CREATE FUNCTION pg_temp.zipf(v float8, n int, s float8) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN least(n, floor(power((power(n + 1, 1 - s) - 1) * v + 1, 1 / (1 - s))))::int;
CREATE FUNCTION pg_temp.pick(words text[], v float8) RETURNS text LANGUAGE sql IMMUTABLE
    RETURN words[pg_temp.zipf(v, cardinality(words), 0.6)];
-- Position in time, 0 … 1, of the i-th of n events when activity grows linearly.
CREATE FUNCTION pg_temp.at(i bigint, n int, salt bigint) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN sqrt((i - pg_temp.u(i, salt)) / n);
-- How many of n users or models exist at position p, the first share of them from the start.
CREATE FUNCTION pg_temp.exist(p float8, n int, share float8) RETURNS int LANGUAGE sql IMMUTABLE
    RETURN greatest(1, floor(n * (share + (1 - share) * p)))::int;
-- When the j-th came into being: the inverse of exist.
CREATE FUNCTION pg_temp.born(j int, n int, share float8) RETURNS float8 LANGUAGE sql IMMUTABLE
    RETURN greatest(0, (j::float8 / n - share) / (1 - share));

TRUNCATE users, ai_models, images, image_likes, chat_sessions, chat_messages, credit_transactions RESTART IDENTITY;
ALTER TABLE users DISABLE TRIGGER USER;
ALTER TABLE image_likes DISABLE TRIGGER USER;
ALTER TABLE credit_transactions DISABLE TRIGGER USER;

-- Models -----------------------------------------------------------------------------------------------------------

INSERT INTO ai_models (id, slug, name, category, description, featured, credits_per_image, quality, median_ms, p95_ms,
        success_rate, resolution, styles, specs, released_on, retired_at, created_at)
OVERRIDING SYSTEM VALUE
SELECT i, lower(a || '-' || b) || '-' || i, a || ' ' || b || ' ' || (1 + i / 100) || '.' || i % 10, c,
       a || ' ' || b || ' is tuned for ' || c || ' work and ' || s1 || ' looks; it keeps ' || s2 || ' detail at every size.',
       i % (n / 36) = 0 AND i / (n / 36) <= 36,
       (0.25 * (1 + floor(19 * u3 * u3)))::numeric, (55 + 44 * u4)::numeric(4,1), ms, ms * (1.6 + u6),
       (0.93 + 0.0699 * u7)::numeric(5,4), int4range(256, (1024 + 1024 * floor(3 * u8))::int, '[]'),
       ARRAY[s1, s2],
       jsonb_build_object('parameters_b', round((0.8 + 19 * u3)::numeric, 1), 'steps', 20 + 5 * floor(u6 * 6)::int,
                          'license', CASE WHEN u7 < 0.6 THEN 'commercial' ELSE 'open' END, 'safety', jsonb_build_object('filter', u8 < 0.9)),
       (born_at + interval '1 day')::date, CASE WHEN i % 25 = 7 THEN timestamptz :'until' - interval '10 days' END,
       born_at
  FROM (SELECT i, :n_models AS n,
               pg_temp.pick('{Lumen,Aurora,Pixel,Vista,Nova,Prisma,Flux,Opal,Ember,Cirrus,Onyx,Quartz,Halo,Mirage,Sable}', pg_temp.u(i, 101)) AS a,
               pg_temp.pick('{Real,Dream,Sketch,Studio,Turbo,Fine,Canvas,Vivid,Classic,Micro}', pg_temp.u(i, 102)) AS b,
               pg_temp.pick('{photo,illustration,anime,product,architecture,texture,logo,concept}', pg_temp.u(i, 103)) AS c,
               pg_temp.pick('{cinematic,painterly,minimal,vintage,neon,watercolour,isometric,noir}', pg_temp.u(i, 104)) AS s1,
               pg_temp.pick('{fine,soft,sharp,organic,metallic}', pg_temp.u(i, 105)) AS s2,
               pg_temp.u(i, 106) AS u3, pg_temp.u(i, 107) AS u4, 400 + 9000 * power(pg_temp.u(i, 108), 2) AS ms,
               pg_temp.u(i, 109) AS u6, pg_temp.u(i, 110) AS u7, pg_temp.u(i, 111) AS u8,
               timestamptz :'since' - interval '1 day' + interval '730 days' * pg_temp.born(i, :n_models, 0.3) AS born_at
          FROM generate_series(1, :n_models) i) m;

-- Who made which image with which model when, and what it cost: n_spends of them are paid for, evenly spread.

CREATE TEMP TABLE gen_image ON COMMIT DROP AS
SELECT i AS id, pg_temp.zipf(pg_temp.u(i, 202), pg_temp.exist(p, :n_users, 0.1), 0.8) AS user_id,
       CASE WHEN m <= alive THEN m ELSE 1 + m % alive END AS model_id,
       timestamptz :'since' + interval '730 days' * p AS created_at,
       i::bigint * :n_spends / :n_images > (i - 1)::bigint * :n_spends / :n_images AS paid
  FROM (SELECT i, p, pg_temp.exist(p, :n_models, 0.3) AS alive,
               -- a fixed permutation, so that popularity does not follow the id
               1 + (pg_temp.zipf(pg_temp.u(i, 203), :n_models, 0.9)::bigint * 7919 % :n_models)::int AS m
          FROM (SELECT i, pg_temp.at(i, :n_images, 201) AS p FROM generate_series(1, :n_images) i OFFSET 0) a OFFSET 0) b;
ANALYZE gen_image;

CREATE TEMP TABLE gen_like ON COMMIT DROP AS
SELECT DISTINCT ON (image_id, user_id) image_id, user_id, created_at
  FROM (SELECT g.id AS image_id,
               pg_temp.zipf(pg_temp.u(n, 302), pg_temp.exist(pg_temp.at(g.id, :n_images, 201), :n_users, 0.1), 0.4) AS user_id,
               least(g.created_at + interval '40 days' * power(pg_temp.u(n, 303), 4), timestamptz :'until') AS created_at
          FROM generate_series(1, :n_likes) n
          JOIN gen_image g ON g.id = 1 + (pg_temp.zipf(pg_temp.u(n, 301), :n_images, 0.7)::bigint * 15485863 % :n_images)::int) l
 ORDER BY image_id, user_id, created_at;
ANALYZE gen_like;

-- The ledger: a grant at the start, a purchase before every thirtieth spend that covers these thirty, refunds, bonuses.

CREATE TEMP TABLE gen_spend ON COMMIT DROP AS
SELECT g.id, g.user_id, g.created_at, m.credits_per_image AS cost,
       row_number() OVER (ORDER BY g.id) AS n,
       (row_number() OVER (PARTITION BY g.user_id ORDER BY g.id) - 1) / 30 AS block
  FROM gen_image g JOIN ai_models m ON m.id = g.model_id
 WHERE g.paid;

CREATE TEMP TABLE gen_entry ON COMMIT DROP AS
SELECT user_id, 'spend'::credit_kind AS type, -cost AS amount, id AS image_id, NULL::text AS note, created_at, n
  FROM gen_spend
UNION ALL
SELECT user_id, 'purchase', 50 * ceil(sum(cost) / 50), NULL, 'card', min(created_at) - interval '30 seconds', block
  FROM gen_spend GROUP BY user_id, block
UNION ALL
SELECT j, 'grant', 10, NULL, 'welcome', timestamptz :'since' - interval '59 minutes' + interval '730 days' * pg_temp.born(j, :n_users, 0.1), 0
  FROM generate_series(1, :n_users) j;

SELECT (:n_transactions - count(*)) / 2 AS n_refunds, :n_transactions - count(*) - (:n_transactions - count(*)) / 2 AS n_bonuses
  FROM gen_entry
\gset

INSERT INTO gen_entry
SELECT s.user_id, 'refund'::credit_kind, s.cost, s.id, 'image failed', least(s.created_at + interval '10 minutes', timestamptz :'until'), r
  FROM generate_series(1, :n_refunds) r JOIN gen_spend s ON s.n = 1 + (r - 1)::bigint * :n_spends / :n_refunds
UNION ALL
SELECT pg_temp.zipf(pg_temp.u(b, 402), pg_temp.exist(p, :n_users, 0.1), 0.8), 'bonus', (0.25 * (1 + floor(20 * pg_temp.u(b, 403))))::numeric,
       NULL, pg_temp.pick('{contest,referral,survey,apology}', pg_temp.u(b, 404)), timestamptz :'since' + interval '730 days' * p, b
  FROM (SELECT b, pg_temp.at(b, :n_bonuses, 401) AS p FROM generate_series(1, :n_bonuses) b OFFSET 0) x;

-- Into the tables ----------------------------------------------------------------------------------------------------

INSERT INTO users (id, auth0_id, email, display_name, credits, preferences, last_ip, created_at)
OVERRIDING SYSTEM VALUE
SELECT j, 'auth0|' || substr(md5('user ' || j), 1, 24), translate(lower(first || '.' || last), 'éí', 'ei') || j || '@example.com', first || ' ' || last,
       e.credits,
       jsonb_build_object('theme', pg_temp.pick('{dark,light,system}', pg_temp.u(j, 503)), 'lang', pg_temp.pick('{en,es,de,fr,ja,pt}', pg_temp.u(j, 504)),
                          'nsfw', false, 'page', 20 * (1 + floor(pg_temp.u(j, 505) * 3))::int),
       CASE WHEN j % 9 > 0 THEN inet '10.0.0.0' + hashint8extended(j, 506) % 8000000 + 8000000 END,
       timestamptz :'since' - interval '1 hour' + interval '730 days' * pg_temp.born(j, :n_users, 0.1)
  FROM (SELECT j, pg_temp.pick('{Ada,Ben,Chloé,Dmitri,Elif,Femi,Grace,Hiro,Inés,Jonas,Kaia,Liam,Mei,Noor,Oskar,Priya,Quinn,Rosa,Sven,Tariq}', pg_temp.u(j, 501)) AS first,
               pg_temp.pick('{Adams,Brandt,Costa,Diaz,Eriksen,Fischer,Garcia,Haddad,Ito,Jensen,Kaya,Lopez,Meyer,Novak,Okafor,Patel,Rossi,Sato,Tanaka,Weber}', pg_temp.u(j, 502)) AS last
          FROM generate_series(1, :n_users) j) p
  JOIN (SELECT user_id, sum(amount) AS credits FROM gen_entry GROUP BY user_id) e ON e.user_id = j
 ORDER BY j;

INSERT INTO images (id, user_id, model_id, prompt, negative_prompt, size, visibility, tags, settings, seed, placeholder, cost, client, likes, created_at)
OVERRIDING SYSTEM VALUE
SELECT g.id, g.user_id, g.model_id,
       style || ' of a ' || mood || ' ' || subject || ' ' || place || ', ' || light || extra,
       CASE WHEN g.id % 3 = 0 THEN 'blurry, extra fingers, watermark' END,
       pg_temp.pick('{1024x1024,1024x768,768x1024,512x512,1024x576}', pg_temp.u(g.id, 607)),
       CASE WHEN g.id % 16 = 5 THEN 'private' WHEN g.id % 16 = 11 THEN 'unlisted' ELSE 'public' END::visibility,
       ARRAY[style, mood], jsonb_build_object('steps', 20 + g.id % 4 * 10, 'guidance', 5 + g.id % 9 * 0.5, 'sampler', pg_temp.pick('{euler,dpm,ddim}', pg_temp.u(g.id, 608))),
       hashint8extended(g.id, 609), int8send(hashint8extended(g.id, 610)),
       CASE WHEN g.paid THEN m.credits_per_image ELSE 0 END,
       pg_temp.pick('{web,ios,android,api}', pg_temp.u(g.id, 611)), coalesce(l.likes, 0), g.created_at
  FROM (SELECT g.*,
               pg_temp.pick('{Photograph,Oil painting,Watercolour,Portrait,Sketch,Illustration,Render,Poster,Engraving,Mosaic}', pg_temp.u(g.id, 601)) AS style,
               pg_temp.pick('{quiet,glowing,ancient,tiny,colossal,lonely,joyful,mysterious,rusty,crystal,floating,wild,elegant,broken,golden,forgotten}', pg_temp.u(g.id, 602)) AS mood,
               pg_temp.pick('{cat,city,castle,astronaut,forest,robot,dragon,lighthouse,garden,ship,fox,mountain,library,dancer,whale,train,owl,bridge,samurai,violin,market,glacier,carousel,observatory,beekeeper,submarine,orchard,windmill,octopus,clockmaker}', pg_temp.u(g.id, 603)) AS subject,
               pg_temp.pick('{at the edge of the sea,under two moons,in heavy rain,on a rooftop,in the desert,inside a snow globe,by a frozen lake,above the clouds,in an old train station,at the bottom of the ocean,in a field of poppies,on the last day of summer}', pg_temp.u(g.id, 604)) AS place,
               pg_temp.pick('{soft morning light,golden hour,neon reflections,candle light,moonlight,hard studio flash,overcast sky,bioluminescence}', pg_temp.u(g.id, 605)) AS light,
               pg_temp.pick('{"",", highly detailed",", 35mm film",", wide angle",", in the style of an old postcard",", muted colours and a lot of empty space around the subject",", macro"}', pg_temp.u(g.id, 606)) AS extra
          FROM gen_image g OFFSET 0) g
  JOIN ai_models m ON m.id = g.model_id
  LEFT JOIN (SELECT image_id, count(*) AS likes FROM gen_like GROUP BY image_id) l ON l.image_id = g.id
 ORDER BY g.id;

INSERT INTO image_likes (image_id, user_id, created_at)
SELECT image_id, user_id, created_at FROM gen_like ORDER BY created_at, image_id, user_id;

INSERT INTO credit_transactions (id, user_id, type, amount, balance_after, image_id, note, created_at)
SELECT id, user_id, type, amount, sum(amount) OVER (PARTITION BY user_id ORDER BY id), image_id, note, created_at
  FROM (SELECT row_number() OVER (ORDER BY created_at, user_id, type, n) AS id, * FROM gen_entry) e
 ORDER BY id;

-- Chats: a session is made of messages that are near each other in time.

CREATE TEMP TABLE gen_message ON COMMIT DROP AS
SELECT i, s, row_number() OVER (PARTITION BY s ORDER BY i) AS n, timestamptz :'since' + interval '730 days' * p AS created_at
  FROM (SELECT i, greatest(1, 1 + floor((i - 1)::float8 * :n_sessions / :n_messages)::int + 1 - pg_temp.zipf(pg_temp.u(i, 702), 40, 1.5)) AS s,
               pg_temp.at(i, :n_messages, 701) AS p
          FROM generate_series(1, :n_messages) i) m;

INSERT INTO chat_sessions (id, user_id, model_id, title, messages, created_at, updated_at)
SELECT md5('session ' || s)::uuid, pg_temp.zipf(pg_temp.u(s, 801), pg_temp.exist(p, :n_users, 0.1), 0.8),
       CASE WHEN s % 5 > 0 THEN 1 + (pg_temp.zipf(pg_temp.u(s, 802), :n_models, 0.9)::bigint * 7919 % :n_models)::int END,
       'A ' || pg_temp.pick('{poster,cover,logo,portrait,scene,pattern,comic,mural}', pg_temp.u(s, 803)) || ' for ' ||
       pg_temp.pick('{the spring campaign,my band,a bakery,our wedding,chapter one,the game jam,a friend,the new office}', pg_temp.u(s, 804)),
       coalesce(m.n, 0), coalesce(m.first, began), coalesce(m.last, began)
  FROM (SELECT s, sqrt((s - 1)::float8 / :n_sessions) AS p,
               timestamptz :'since' + interval '730 days' * sqrt((s - 1)::float8 / :n_sessions) AS began
          FROM generate_series(1, :n_sessions) s) s
  LEFT JOIN (SELECT s, count(*) AS n, min(created_at) AS first, max(created_at) AS last FROM gen_message GROUP BY s) m USING (s)
 ORDER BY s;

INSERT INTO chat_messages (id, session_id, role, content, image_ids, tokens, created_at)
OVERRIDING SYSTEM VALUE
SELECT i, md5('session ' || s)::uuid, role, content,
       CASE WHEN role = 'assistant' AND i % 3 = 0 THEN ARRAY[1 + hashint8extended(i, 904) & 255, 1 + hashint8extended(i, 905) & 255] ELSE '{}' END,
       (length(content) + 3) / 4, created_at
  FROM (SELECT i, s, created_at, CASE WHEN n % 2 = 1 THEN 'user' ELSE 'assistant' END::message_role AS role,
               CASE WHEN n % 2 = 1
                    THEN 'Could you make it ' || pg_temp.pick('{warmer,darker,simpler,more dramatic,less busy,older,friendlier}', pg_temp.u(i, 901)) ||
                         ' and put a ' || pg_temp.pick('{cat,lighthouse,ship,fox,bridge,moon,garden}', pg_temp.u(i, 902)) || ' in it?'
                    ELSE 'Here is a version with ' || pg_temp.pick('{softer light,a lower horizon,fewer colours,a stronger outline,more contrast}', pg_temp.u(i, 903)) ||
                         '. I kept the composition and changed only what you asked for; tell me if the mood is right, then I can raise the resolution.'
                END AS content
          FROM gen_message) m
 ORDER BY i;

-- Identities go on where the data end.
SELECT setval(pg_get_serial_sequence('users', 'id'), :n_users), setval(pg_get_serial_sequence('ai_models', 'id'), :n_models),
       setval(pg_get_serial_sequence('images', 'id'), :n_images), setval(pg_get_serial_sequence('chat_messages', 'id'), :n_messages),
       setval('credit_transactions_id_seq', :n_transactions)
\g /dev/null

ALTER TABLE users ENABLE TRIGGER USER;
ALTER TABLE image_likes ENABLE TRIGGER USER;
ALTER TABLE credit_transactions ENABLE TRIGGER USER;
COMMIT;

-- VACUUM as well: index-only scans need the visibility map.
VACUUM (ANALYZE) users, ai_models, images, image_likes, chat_sessions, chat_messages, credit_transactions;
