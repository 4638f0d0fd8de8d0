-- The role that the API of examples/studio logs in as, with no right that no endpoint needs.
-- As a role that may create roles and owns the schema:  psql -v password=… -f sql/weir/roles.sql
-- Without -v password the role is made without one (peer, certificate or trust).
-- Reading is by table; writing that follows rules goes through functions that run as the owner, so the role itself
-- cannot touch a balance, the ledger or a like count.

\set ON_ERROR_STOP on
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'weir') AS make \gset
\if :make
CREATE ROLE weir LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
\endif
\if :{?password}
ALTER ROLE weir PASSWORD :'password';
\endif

BEGIN;
SELECT format('REVOKE ALL ON DATABASE %1$I FROM weir; GRANT CONNECT ON DATABASE %1$I TO weir', current_database()) \gexec
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM weir;
GRANT USAGE ON SCHEMA public TO weir;

GRANT SELECT ON users, ai_models, images, image_likes, chat_sessions, chat_messages, credit_transactions TO weir;

GRANT UPDATE (visibility, tags), DELETE ON images TO weir;              -- images/update.sql images/delete.sql
GRANT DELETE ON image_likes TO weir;                                    -- images/unlike.sql
GRANT UPDATE (preferences) ON users TO weir;                            -- me/preferences.sql
GRANT INSERT (user_id, title, model_id) ON chat_sessions TO weir;       -- chat/create.sql

GRANT EXECUTE ON FUNCTION create_image TO weir;                         -- images/create.sql
GRANT EXECUTE ON FUNCTION buy_credits TO weir;                          -- me/buy.sql
GRANT EXECUTE ON FUNCTION like_image TO weir;                           -- images/like.sql
GRANT EXECUTE ON FUNCTION post_message TO weir;                         -- chat/post.sql
COMMIT;
