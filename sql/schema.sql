-- The back end of an AI image studio: the database that examples/studio serves.
-- Load into an empty database as its owner: psql -v ON_ERROR_STOP=1 -f sql/schema.sql
-- then sql/generate.sql (data), sql/indexes.sql (what the endpoints need beyond keys), sql/weir/roles.sql.
--
-- Rules that the database keeps by itself, whoever writes:
--   * users.credits is the sum of the user's credit_transactions and never negative. Only inserting into the ledger
--     changes it; the user's row lock serialises spenders, so no isolation level or retry loop is asked of callers.
--   * credit_transactions is append-only, and its id order is the order in which balances came about.
--   * images.likes is the number of image_likes rows.
-- Errors raised by the functions: 42501 no such account, P0001 a rule of the studio, 23514 not enough credits.

\set ON_ERROR_STOP on
BEGIN;
SET LOCAL search_path = public;
SET LOCAL client_min_messages = warning;

-- Types ---------------------------------------------------------------------------------------------------------

CREATE DOMAIN email_address AS text
    CHECK (VALUE ~ '^[^@[:space:]]+@[^@[:space:]]+\.[^@[:space:]]+$' AND length(VALUE) <= 254);
COMMENT ON DOMAIN email_address IS 'An address of the form local@domain.tld; not proof that it can be reached.';

CREATE DOMAIN image_size AS text CHECK (VALUE ~ '^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$');
COMMENT ON DOMAIN image_size IS 'WIDTHxHEIGHT in pixels.';

CREATE DOMAIN credit_amount AS numeric(12,2);
COMMENT ON DOMAIN credit_amount IS 'Credits, in hundredths at the finest.';

CREATE TYPE visibility AS ENUM ('public', 'unlisted', 'private');
COMMENT ON TYPE visibility IS 'public: in feeds and search; unlisted: for who knows the id; private: for the owner.';

CREATE TYPE credit_kind AS ENUM ('grant', 'purchase', 'spend', 'refund', 'bonus');
COMMENT ON TYPE credit_kind IS 'Why a balance changed; only spend takes credits away.';

CREATE TYPE message_role AS ENUM ('system', 'user', 'assistant');
COMMENT ON TYPE message_role IS 'Who speaks in a chat.';

-- Tables --------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    auth0_id     text NOT NULL UNIQUE CHECK (length(auth0_id) BETWEEN 1 AND 128),
    email        email_address NOT NULL UNIQUE,
    display_name text NOT NULL CHECK (length(display_name) BETWEEN 1 AND 80),
    credits      credit_amount NOT NULL DEFAULT 0,
    preferences  jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(preferences) = 'object'),
    last_ip      inet,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT users_credits_not_negative CHECK (credits >= 0)
) WITH (fillfactor = 90);
COMMENT ON TABLE users IS 'People with an account.';
COMMENT ON COLUMN users.id IS 'Key.';
COMMENT ON COLUMN users.auth0_id IS 'Subject at the identity provider; what the web server asserts as the user.';
COMMENT ON COLUMN users.email IS 'Where to write to; one account per address.';
COMMENT ON COLUMN users.display_name IS 'Name shown beside images.';
COMMENT ON COLUMN users.credits IS 'Balance: the sum of the ledger, kept by its trigger.';
COMMENT ON COLUMN users.preferences IS 'Client settings, one JSON object.';
COMMENT ON COLUMN users.last_ip IS 'Address of the last sign-in; NULL if never seen.';
COMMENT ON COLUMN users.created_at IS 'When the account was opened.';

CREATE TABLE ai_models (
    id                integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    slug              text NOT NULL UNIQUE CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 80),
    category          text NOT NULL CHECK (length(category) BETWEEN 1 AND 64),
    description       text NOT NULL,
    featured          boolean NOT NULL DEFAULT false,
    credits_per_image credit_amount NOT NULL CHECK (credits_per_image > 0),
    quality           numeric(4,1) NOT NULL CHECK (quality BETWEEN 0 AND 100),
    median_ms         real NOT NULL CHECK (median_ms > 0),
    p95_ms            real NOT NULL CHECK (p95_ms >= median_ms),
    success_rate      numeric(5,4) NOT NULL CHECK (success_rate BETWEEN 0 AND 1),
    resolution        int4range NOT NULL CHECK (NOT isempty(resolution)),
    styles            text[] NOT NULL DEFAULT '{}',
    specs             jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(specs) = 'object'),
    released_on       date NOT NULL,
    retired_at        timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE ai_models IS 'The catalogue: image models that may be asked for an image.';
COMMENT ON COLUMN ai_models.id IS 'Key.';
COMMENT ON COLUMN ai_models.slug IS 'Key for people, as in addresses of pages.';
COMMENT ON COLUMN ai_models.name IS 'Name shown.';
COMMENT ON COLUMN ai_models.category IS 'What it is best at: photo, illustration, anime, …';
COMMENT ON COLUMN ai_models.description IS 'A sentence or two for the catalogue.';
COMMENT ON COLUMN ai_models.featured IS 'Shown on the front page.';
COMMENT ON COLUMN ai_models.credits_per_image IS 'Price of one image.';
COMMENT ON COLUMN ai_models.quality IS 'Score of the studio''s own evaluation, 0 to 100.';
COMMENT ON COLUMN ai_models.median_ms IS 'Median time per image, ms.';
COMMENT ON COLUMN ai_models.p95_ms IS '95th percentile of the time per image, ms.';
COMMENT ON COLUMN ai_models.success_rate IS 'Share of requests that end with an image.';
COMMENT ON COLUMN ai_models.resolution IS 'Edge lengths it accepts, pixels.';
COMMENT ON COLUMN ai_models.styles IS 'Style names it was tuned for.';
COMMENT ON COLUMN ai_models.specs IS 'Technical data as its makers give them.';
COMMENT ON COLUMN ai_models.released_on IS 'Day of release.';
COMMENT ON COLUMN ai_models.retired_at IS 'Since when no new images can be made with it; NULL while it is offered.';
COMMENT ON COLUMN ai_models.created_at IS 'When it was added to the catalogue.';

CREATE TABLE images (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id         bigint NOT NULL REFERENCES users,
    model_id        integer NOT NULL REFERENCES ai_models,
    prompt          text NOT NULL CHECK (length(prompt) BETWEEN 1 AND 2000),
    negative_prompt text CHECK (length(negative_prompt) <= 2000),
    size            image_size NOT NULL,
    visibility      visibility NOT NULL DEFAULT 'public',
    tags            text[] NOT NULL DEFAULT '{}' CHECK (cardinality(tags) <= 16),
    settings        jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
    seed            bigint NOT NULL,
    placeholder     bytea,
    cost            credit_amount NOT NULL CHECK (cost >= 0),
    client          text CHECK (length(client) <= 64),
    likes           integer NOT NULL DEFAULT 0 CHECK (likes >= 0),
    created_at      timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 95);
COMMENT ON TABLE images IS 'Every image made. No index has likes in it, so that counting a like stays a HOT update.';
COMMENT ON COLUMN images.id IS 'Key; later images have greater ones.';
COMMENT ON COLUMN images.user_id IS 'Who made it. Accounts with images are not deleted.';
COMMENT ON COLUMN images.model_id IS 'Model that made it. Models are retired, not deleted.';
COMMENT ON COLUMN images.prompt IS 'What was asked for; searched in English.';
COMMENT ON COLUMN images.negative_prompt IS 'What was to be avoided.';
COMMENT ON COLUMN images.size IS 'Width and height.';
COMMENT ON COLUMN images.visibility IS 'Who sees it.';
COMMENT ON COLUMN images.tags IS 'Words given by the maker.';
COMMENT ON COLUMN images.settings IS 'Steps, guidance, sampler: whatever the model takes.';
COMMENT ON COLUMN images.seed IS 'Seed that repeats the image; all 64 bits are used.';
COMMENT ON COLUMN images.placeholder IS 'A few bytes from which clients draw a blur while loading.';
COMMENT ON COLUMN images.cost IS 'Credits paid; 0 during promotions.';
COMMENT ON COLUMN images.client IS 'Program that asked, by its own word.';
COMMENT ON COLUMN images.likes IS 'Number of image_likes rows, kept by their trigger.';
COMMENT ON COLUMN images.created_at IS 'When it was made.';

CREATE TABLE image_likes (
    image_id   bigint NOT NULL REFERENCES images ON DELETE CASCADE,
    user_id    bigint NOT NULL REFERENCES users,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (image_id, user_id)
);
COMMENT ON TABLE image_likes IS 'Who likes which image, at most once. The key also serves the cascade from images.';
COMMENT ON COLUMN image_likes.image_id IS 'The image; its likes go with it.';
COMMENT ON COLUMN image_likes.user_id IS 'Who likes it.';
COMMENT ON COLUMN image_likes.created_at IS 'Since when.';

CREATE TABLE chat_sessions (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id    bigint NOT NULL REFERENCES users,
    model_id   integer REFERENCES ai_models,
    title      text NOT NULL CHECK (length(title) BETWEEN 1 AND 200),
    messages   integer NOT NULL DEFAULT 0 CHECK (messages >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (updated_at >= created_at)
) WITH (fillfactor = 90);
COMMENT ON TABLE chat_sessions IS 'Conversations in which images are worked out.';
COMMENT ON COLUMN chat_sessions.id IS 'Key; not guessable, as clients keep it in a cookie.';
COMMENT ON COLUMN chat_sessions.user_id IS 'Whose conversation it is.';
COMMENT ON COLUMN chat_sessions.model_id IS 'Model talked about; NULL while none is chosen.';
COMMENT ON COLUMN chat_sessions.title IS 'Title shown in the list.';
COMMENT ON COLUMN chat_sessions.messages IS 'Number of messages, kept by post_message.';
COMMENT ON COLUMN chat_sessions.created_at IS 'When it began.';
COMMENT ON COLUMN chat_sessions.updated_at IS 'Time of the last message.';

CREATE TABLE chat_messages (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES chat_sessions ON DELETE CASCADE,
    role       message_role NOT NULL,
    content    text NOT NULL CHECK (length(content) BETWEEN 1 AND 20000),
    image_ids  bigint[] NOT NULL DEFAULT '{}',
    tokens     integer NOT NULL CHECK (tokens >= 0),
    created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE chat_messages IS 'What was said in chat sessions.';
COMMENT ON COLUMN chat_messages.id IS 'Key; later messages of a session have greater ones.';
COMMENT ON COLUMN chat_messages.session_id IS 'The conversation.';
COMMENT ON COLUMN chat_messages.role IS 'Who speaks.';
COMMENT ON COLUMN chat_messages.content IS 'The words.';
COMMENT ON COLUMN chat_messages.image_ids IS 'Images shown with it; ids of images that may be gone by now.';
COMMENT ON COLUMN chat_messages.tokens IS 'Length in tokens of the language model.';
COMMENT ON COLUMN chat_messages.created_at IS 'When it was said.';

CREATE SEQUENCE credit_transactions_id_seq AS bigint;
CREATE TABLE credit_transactions (
    id            bigint PRIMARY KEY,
    user_id       bigint NOT NULL REFERENCES users,
    type          credit_kind NOT NULL,
    amount        credit_amount NOT NULL,
    balance_after credit_amount NOT NULL CHECK (balance_after >= 0),
    image_id      bigint,
    note          text CHECK (length(note) <= 200),
    created_at    timestamptz NOT NULL,
    CONSTRAINT credit_transactions_sign CHECK ((type = 'spend') = (amount < 0) AND amount <> 0)
);
ALTER SEQUENCE credit_transactions_id_seq OWNED BY credit_transactions.id;
COMMENT ON SEQUENCE credit_transactions_id_seq IS 'Drawn from by the ledger''s trigger once it holds the user''s row.';
COMMENT ON TABLE credit_transactions IS 'The ledger, append-only. Inserting into it is the only way to change a balance.';
COMMENT ON COLUMN credit_transactions.id IS 'Key; per user in the order of the balances.';
COMMENT ON COLUMN credit_transactions.user_id IS 'Whose balance changed.';
COMMENT ON COLUMN credit_transactions.type IS 'Why.';
COMMENT ON COLUMN credit_transactions.amount IS 'By how much: negative for spend, positive for all others.';
COMMENT ON COLUMN credit_transactions.balance_after IS 'The user''s balance right after it.';
COMMENT ON COLUMN credit_transactions.image_id IS 'Image paid for or refunded; not a foreign key, since the ledger outlives images.';
COMMENT ON COLUMN credit_transactions.note IS 'For people.';
COMMENT ON COLUMN credit_transactions.created_at IS 'When it took effect.';

-- Rules ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION credit_transactions_apply() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- The row lock makes spenders of one user queue here; the WHERE is then judged by the newest balance.
    UPDATE users SET credits = credits + NEW.amount
     WHERE id = NEW.user_id AND credits + NEW.amount >= 0
    RETURNING credits INTO NEW.balance_after;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM users WHERE id = NEW.user_id) THEN
            RAISE EXCEPTION 'not enough credits' USING
                ERRCODE = 'check_violation', TABLE = 'users', CONSTRAINT = 'users_credits_not_negative',
                DETAIL = format('This takes %s credits.', -NEW.amount);
        END IF;
        RAISE EXCEPTION 'no user %', NEW.user_id USING
            ERRCODE = 'foreign_key_violation', TABLE = 'credit_transactions', CONSTRAINT = 'credit_transactions_user_id_fkey';
    END IF;
    NEW.id := nextval('credit_transactions_id_seq');
    NEW.created_at := clock_timestamp();
    RETURN NEW;
END $$;
COMMENT ON FUNCTION credit_transactions_apply() IS 'Moves the balance with the ledger; id, time and balance_after are its own, whatever was given.';
CREATE TRIGGER credit_transactions_apply BEFORE INSERT ON credit_transactions
    FOR EACH ROW EXECUTE FUNCTION credit_transactions_apply();

CREATE FUNCTION credit_transactions_keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only' USING HINT = 'Insert a transaction that makes up for it.';
END $$;
COMMENT ON FUNCTION credit_transactions_keep() IS 'Refuses to change or delete what was booked.';
CREATE TRIGGER credit_transactions_keep BEFORE UPDATE OR DELETE ON credit_transactions
    FOR EACH ROW EXECUTE FUNCTION credit_transactions_keep();

CREATE FUNCTION users_credits_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- Depth 2: this UPDATE was made by the ledger's trigger.
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() >= 2 OR TG_OP = 'INSERT' AND NEW.credits = 0 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'credits change through credit_transactions only';
END $$;
COMMENT ON FUNCTION users_credits_guard() IS 'Keeps everybody but the ledger away from users.credits.';
CREATE TRIGGER users_credits_guard_insert BEFORE INSERT ON users
    FOR EACH ROW EXECUTE FUNCTION users_credits_guard();
CREATE TRIGGER users_credits_guard_update BEFORE UPDATE OF credits ON users
    FOR EACH ROW WHEN (NEW.credits IS DISTINCT FROM OLD.credits) EXECUTE FUNCTION users_credits_guard();

CREATE FUNCTION image_likes_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        UPDATE images SET likes = likes + 1 WHERE id = NEW.image_id;
    ELSE
        UPDATE images SET likes = likes - 1 WHERE id = OLD.image_id;
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION image_likes_count() IS 'Keeps images.likes.';
CREATE TRIGGER image_likes_count AFTER INSERT OR DELETE ON image_likes
    FOR EACH ROW EXECUTE FUNCTION image_likes_count();

-- Writes that are more than one statement; each is atomic in any transaction that calls it -------------------------

CREATE FUNCTION account_of(auth0_id text) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    account bigint;
BEGIN
    SELECT u.id INTO account FROM users u WHERE u.auth0_id = account_of.auth0_id;
    IF account IS NULL THEN
        RAISE EXCEPTION 'no account for this identity' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN account;
END $$;
COMMENT ON FUNCTION account_of(text) IS 'users.id of an identity; 42501 if there is none.';

CREATE FUNCTION create_image(auth0_id text, model_id integer, prompt text, size image_size,
        negative_prompt text DEFAULT NULL, visibility visibility DEFAULT 'public', tags text[] DEFAULT '{}',
        settings jsonb DEFAULT '{}', seed bigint DEFAULT NULL, client text DEFAULT NULL)
RETURNS TABLE (id bigint, cost credit_amount, credits credit_amount, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account bigint := account_of(create_image.auth0_id);
    model   ai_models;
BEGIN
    SELECT * INTO model FROM ai_models m WHERE m.id = create_image.model_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no model %', create_image.model_id;
    ELSIF model.retired_at <= now() THEN
        RAISE EXCEPTION 'model % is retired', model.slug;
    ELSIF NOT split_part(create_image.size, 'x', 1)::int <@ model.resolution
       OR NOT split_part(create_image.size, 'x', 2)::int <@ model.resolution THEN
        RAISE EXCEPTION 'model % takes edges of % pixels', model.slug, model.resolution;
    END IF;
    INSERT INTO images AS i (user_id, model_id, prompt, negative_prompt, size, visibility, tags, settings, seed, client, cost)
    VALUES (account, model.id, create_image.prompt, create_image.negative_prompt, create_image.size,
            coalesce(create_image.visibility, 'public'), coalesce(create_image.tags, '{}'),
            coalesce(create_image.settings, '{}'),
            coalesce(create_image.seed, hashtextextended(create_image.prompt, extract(epoch FROM clock_timestamp())::bigint)),
            create_image.client, model.credits_per_image)
    RETURNING i.id, i.cost, i.created_at INTO id, cost, created_at;
    INSERT INTO credit_transactions AS t (user_id, type, amount, image_id)
    VALUES (account, 'spend', -cost, id)
    RETURNING t.balance_after INTO credits;
    RETURN NEXT;
END $$;
COMMENT ON FUNCTION create_image IS 'An image and its payment, both or none. 23514 if credits do not suffice, P0001 if the model does not offer this.';

CREATE FUNCTION buy_credits(auth0_id text, amount credit_amount, note text DEFAULT NULL)
RETURNS TABLE (id bigint, bought credit_amount, credits credit_amount, created_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    INSERT INTO credit_transactions AS t (user_id, type, amount, note)
    VALUES (account_of(buy_credits.auth0_id), 'purchase', buy_credits.amount, buy_credits.note)
    RETURNING t.id, t.amount, t.balance_after, t.created_at;
END $$;
COMMENT ON FUNCTION buy_credits IS 'Books a purchase and returns the new balance.';

CREATE FUNCTION post_message(auth0_id text, session_id uuid, content text,
        image_ids bigint[] DEFAULT '{}', role message_role DEFAULT 'user')
RETURNS SETOF chat_messages
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    -- Also locks the session, so that ids and times of its messages have one order.
    UPDATE chat_sessions s SET messages = s.messages + 1, updated_at = greatest(clock_timestamp(), s.created_at)
     WHERE s.id = post_message.session_id AND s.user_id = account_of(post_message.auth0_id);
    IF NOT FOUND THEN
        RETURN;
    END IF;
    RETURN QUERY
    INSERT INTO chat_messages AS m (session_id, role, content, image_ids, tokens, created_at)
    VALUES (post_message.session_id, coalesce(post_message.role, 'user'), post_message.content,
            coalesce(post_message.image_ids, '{}'), (length(post_message.content) + 3) / 4, clock_timestamp())
    RETURNING m.*;
END $$;
COMMENT ON FUNCTION post_message IS 'Adds a message to one''s own session and returns it; no row if there is no such session.';

CREATE FUNCTION like_image(auth0_id text, image_id bigint) RETURNS TABLE (id bigint, likes integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    account bigint := account_of(like_image.auth0_id);
BEGIN
    INSERT INTO image_likes (image_id, user_id)
    SELECT i.id, account FROM images i
     WHERE i.id = like_image.image_id AND (i.visibility <> 'private' OR i.user_id = account)
    ON CONFLICT DO NOTHING;
    RETURN QUERY
    SELECT i.id, i.likes FROM images i
     WHERE i.id = like_image.image_id AND (i.visibility <> 'private' OR i.user_id = account);
END $$;
COMMENT ON FUNCTION like_image IS 'Likes an image, once; returns its likes, or no row if one cannot see such an image.';

-- Nobody calls these but who is granted to.
REVOKE EXECUTE ON FUNCTION account_of, create_image, buy_credits, post_message, like_image FROM PUBLIC;

COMMIT;
