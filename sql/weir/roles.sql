-- The role that the API of examples/studio logs in as, with no right that no endpoint needs.
-- As a role that may create roles and owns the schema:  psql -v password=… -f sql/weir/roles.sql
-- Without -v password the role is made without one (peer, certificate or trust); -v role=… takes another name than weir.
-- Reading is by table; writing that follows rules goes through functions that run as the owner, so the role itself
-- cannot touch a balance, the ledger or a like count.

\set ON_ERROR_STOP on
\if :{?role} \else \set role weir \endif
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'role') AS make \gset
\if :make
CREATE ROLE :"role" LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
\endif
\if :{?password}
ALTER ROLE :"role" PASSWORD :'password';
\endif

BEGIN;
SELECT format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), :'role') \gexec
REVOKE ALL ON ALL TABLES IN SCHEMA public FROM :"role";
GRANT USAGE ON SCHEMA public TO :"role";

GRANT SELECT ON users, ai_models, images, image_likes, chat_sessions, chat_messages, credit_transactions TO :"role";

GRANT UPDATE (visibility, tags), DELETE ON images TO :"role";              -- images/update.sql images/delete.sql
GRANT DELETE ON image_likes TO :"role";                                    -- images/unlike.sql
GRANT UPDATE (preferences) ON users TO :"role";                            -- me/preferences.sql
GRANT INSERT (user_id, title, model_id) ON chat_sessions TO :"role";       -- chat/create.sql

GRANT EXECUTE ON FUNCTION create_image TO :"role";                         -- images/create.sql
GRANT EXECUTE ON FUNCTION buy_credits TO :"role";                          -- me/buy.sql
GRANT EXECUTE ON FUNCTION like_image TO :"role";                           -- images/like.sql
GRANT EXECUTE ON FUNCTION post_message TO :"role";                         -- chat/post.sql
COMMIT;
