-- Events for Weir's cache: which tags a write makes void, told by whoever writes: psql, cron, another application.
--   psql -X -v ON_ERROR_STOP=1 -f sql/weir/events.sql      (again for an update; nothing is lost)
--   SELECT weir.watch('images', 'images', 'user:{user_id}:images');
-- doc/invalidation.md says who is seen when, and what it costs. What is watched is kept in the triggers' own arguments:
-- it goes with the table through RENAME, pg_dump and DROP.

BEGIN;
SET LOCAL client_min_messages = warning;
CREATE SCHEMA IF NOT EXISTS weir;
COMMENT ON SCHEMA weir IS 'Events for Weir''s cache.';
GRANT USAGE ON SCHEMA weir TO PUBLIC;

CREATE OR REPLACE FUNCTION weir.version() RETURNS int LANGUAGE sql IMMUTABLE PARALLEL SAFE
    SET search_path = pg_catalog, pg_temp AS 'SELECT 2';

-- One event: {"x": transaction, "t": [tags]}, as many NOTIFYs as 8,000 bytes make of it.
-- is_all: the tags are not all that is void; whoever hears it distrusts every tagged answer of this database.
CREATE OR REPLACE FUNCTION weir.emit(tags text[], is_all boolean DEFAULT false, why text DEFAULT NULL)
RETURNS void LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    head text := '{"x":' || pg_current_xact_id();
    piece text := '';
    tag text;
BEGIN
    IF is_all THEN
        head := head || ',"all":true';
        IF why IS NOT NULL THEN
            head := head || ',"why":' || to_json(left(why, 200));
        END IF;
    END IF;
    FOREACH tag IN ARRAY tags LOOP
        tag := to_json(tag);
        IF octet_length(head) + octet_length(piece) + octet_length(tag) > 7900 THEN
            PERFORM pg_notify('weir_invalidate', head || ',"t":[' || piece || ']}');
            piece := '';
        END IF;
        piece := piece || CASE WHEN piece = '' THEN '' ELSE ',' END || tag;
    END LOOP;
    PERFORM pg_notify('weir_invalidate', head || ',"t":[' || piece || ']}');
END $$;

-- The statement triggers of a watched table. Arguments: the tags' SQL over a row r; then the tags as they were given.
-- It runs as whoever writes and never fails a write: what it cannot tell (a column that is gone) becomes an event that
-- distrusts everything.
CREATE OR REPLACE FUNCTION weir.on_write() RETURNS trigger LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp SET DateStyle = 'ISO, YMD' SET IntervalStyle = 'postgres'
    SET TimeZone = 'UTC' SET bytea_output = 'hex' SET extra_float_digits = 1 AS $$
DECLARE
    most CONSTANT int := 1000;      -- tags of one statement
    longest CONSTANT int := 1000;   -- bytes of one tag
    tags text[];
    said text;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM weir.emit(ARRAY[TG_ARGV[1]], TG_NARGS > 2);
        RETURN NULL;
    END IF;
    BEGIN
        EXECUTE 'SELECT array_agg(t) FROM (SELECT DISTINCT v.t FROM ('
            || CASE TG_OP WHEN 'INSERT' THEN 'SELECT * FROM weir_new'
                          WHEN 'DELETE' THEN 'SELECT * FROM weir_old'
                          ELSE 'SELECT * FROM weir_old UNION ALL SELECT * FROM weir_new' END
            || ') r, LATERAL (VALUES ' || TG_ARGV[0] || ') v(t) LIMIT ' || most + 1 || ') q' INTO tags;
    EXCEPTION WHEN OTHERS THEN
        PERFORM weir.emit(ARRAY[TG_ARGV[1]], true, format('table %s: %s', TG_RELID::regclass, SQLERRM));
        RETURN NULL;
    END;
    IF tags IS NULL THEN
        RETURN NULL;                -- no row
    END IF;
    IF cardinality(tags) > most OR EXISTS (SELECT FROM unnest(tags) t WHERE octet_length(t) > longest) THEN
        PERFORM weir.emit(ARRAY[TG_ARGV[1]], true);
        RETURN NULL;
    END IF;
    -- The same again in this transaction, as in a loop of single rows: said already.
    said := pg_current_xact_id() || tags::text;
    IF said IS NOT DISTINCT FROM current_setting('weir.said', true) THEN
        RETURN NULL;
    END IF;
    PERFORM weir.emit(tags);
    IF octet_length(said) < 2000 THEN
        PERFORM set_config('weir.said', said, true);
    END IF;
    RETURN NULL;
END $$;

-- What stands for a value in a tag: one text for all that are equal, the same that Weir makes of a parameter (lib/pg/db_canon.c).
-- By overloading: what a column is now decides, and a type that fills no tag is an error.
CREATE OR REPLACE FUNCTION weir.key(v bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v integer) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v smallint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v oid) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v numeric) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    AS 'SELECT pg_catalog.trim_scale(v)::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v uuid) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v';
CREATE OR REPLACE FUNCTION weir.key(v bpchar) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v name) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v anyenum) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v date) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v time) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v timestamp) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';
CREATE OR REPLACE FUNCTION weir.key(v timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT v::pg_catalog.text';

-- May a column of this type fill a tag, domains resolved? Types with casts that weir.key would take without a word are none.
CREATE OR REPLACE FUNCTION weir.is_key(type oid) RETURNS boolean LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    WITH RECURSIVE b AS (SELECT type AS oid UNION ALL
                         SELECT t.typbasetype FROM b JOIN pg_type t ON t.oid = b.oid WHERE t.typtype = 'd')
    SELECT bool_or(t.typtype = 'e' OR (t.typtype <> 'd' AND t.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype,
        'oid'::regtype, 'numeric'::regtype, 'bool'::regtype, 'uuid'::regtype, 'text'::regtype, 'varchar'::regtype,
        'bpchar'::regtype, 'name'::regtype, 'date'::regtype, 'time'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)))
    FROM b JOIN pg_type t USING (oid) $$;

-- A tag as SQL text over a row r. Errors name what is wrong.
CREATE OR REPLACE FUNCTION weir.tag_sql(tbl regclass, tag text) RETURNS text LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    part text[];
    pieces text[] := '{}';
    col pg_attribute;
BEGIN
    IF tag IS NULL OR octet_length(tag) NOT BETWEEN 1 AND 128
       OR tag !~ '^([A-Za-z0-9_.:-]|\{[^{}]+\})+$' THEN
        RAISE EXCEPTION 'weir.watch: bad tag %', quote_nullable(tag)
            USING HINT = 'Letters, digits, _.:- and {column}; at most 128 bytes.', ERRCODE = 'invalid_parameter_value';
    END IF;
    FOR part IN SELECT regexp_matches(tag, '\{([^{}]+)\}|([^{}]+)', 'g') LOOP
        IF part[1] IS NULL THEN
            pieces := pieces || quote_literal(part[2]);
            CONTINUE;
        END IF;
        SELECT * INTO col FROM pg_attribute WHERE attrelid = tbl AND attname = part[1] AND attnum > 0 AND NOT attisdropped;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'weir.watch: table % has no column % (in tag %)', tbl, quote_ident(part[1]), quote_literal(tag)
                USING ERRCODE = 'undefined_column';
        ELSIF NOT weir.is_key(col.atttypid) THEN
            RAISE EXCEPTION 'weir.watch: column % of % is of type %, whose equal values have many spellings (in tag %)',
                quote_ident(part[1]), tbl, format_type(col.atttypid, NULL), quote_literal(tag)
                USING HINT = 'Tags are filled with integers, numeric, boolean, uuid, date, time, timestamp, text or enums.',
                      ERRCODE = 'datatype_mismatch';
        ELSIF EXISTS (SELECT FROM pg_collation WHERE oid = col.attcollation AND NOT collisdeterministic) THEN
            RAISE EXCEPTION 'weir.watch: column % of % has a nondeterministic collation: equal texts are written differently (in tag %)',
                quote_ident(part[1]), tbl, quote_literal(tag) USING ERRCODE = 'collation_mismatch';
        END IF;
        pieces := pieces || format('coalesce(weir.key(r.%I), '''')', part[1]);
    END LOOP;
    RETURN '(' || array_to_string(pieces, ' || ') || ')';
END $$;

-- The table and, if it is partitioned, its partitions: a statement fires the triggers of the table it names.
CREATE OR REPLACE FUNCTION weir.tree(tbl regclass) RETURNS SETOF regclass LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS
    'SELECT relid FROM pg_partition_tree(tbl) UNION SELECT tbl';

-- What is watched has changed: weir-monitor reads it again, and what was cached before may have been told by nobody.
CREATE OR REPLACE FUNCTION weir.changed() RETURNS void LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS
    'SELECT pg_notify(''weir_invalidate'', ''{"x":'' || pg_current_xact_id() || '',"all":true,"watch":true,"t":[]}'')';

-- While it is on, in this transaction, weir.on_ddl passes over what the functions below do themselves. What it was before.
CREATE OR REPLACE FUNCTION weir.quiet(value text) RETURNS text LANGUAGE plpgsql VOLATILE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    was text := coalesce(current_setting('weir.quiet', true), '');
BEGIN
    PERFORM set_config('weir.quiet', value, true);
    RETURN was;
END $$;

CREATE OR REPLACE FUNCTION weir.unpublish(tbl regclass) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
               WHERE p.pubname = 'weir' AND r.prrelid = tbl) THEN
        EXECUTE format('ALTER PUBLICATION weir DROP TABLE ONLY %s', tbl);
    END IF;
END $$;

CREATE OR REPLACE FUNCTION weir.unwatch(tbl regclass) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    name regclass;
    op text;
    was text := weir.quiet('on');
BEGIN
    FOR name IN SELECT weir.tree(tbl) LOOP
        FOREACH op IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
            EXECUTE format('DROP TRIGGER IF EXISTS weir_%s ON %s', op, name);
        END LOOP;
        PERFORM weir.unpublish(name);
    END LOOP;
    PERFORM weir.changed(), weir.quiet(was);
END $$;

-- The columns of a table's replica identity: what a slot tells of an old row. NULL: it has none.
CREATE OR REPLACE FUNCTION weir.identity_columns(tbl regclass) RETURNS text[] LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE WHEN c.relreplident = 'f' THEN
               ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = tbl AND attnum > 0 AND NOT attisdropped)
           ELSE (SELECT array_agg(a.attname::text) FROM pg_index i
                 JOIN pg_attribute a ON a.attrelid = tbl AND a.attnum = ANY (i.indkey)
                 WHERE i.indrelid = tbl AND ((c.relreplident = 'd' AND i.indisprimary)
                                             OR (c.relreplident = 'i' AND i.indisreplident))) END
    FROM pg_class c WHERE c.oid = tbl $$;

-- The triggers of one table. args: as weir.on_write takes them. For the slot they are there, disabled: they hold the tags and
-- cost nothing.
CREATE OR REPLACE FUNCTION weir.set_triggers(tbl regclass, args text, for_slot boolean) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    op text;
BEGIN
    FOREACH op IN ARRAY ARRAY['insert', 'update', 'delete', 'truncate'] LOOP
        EXECUTE format('CREATE TRIGGER weir_%s AFTER %1$s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION weir.on_write(%s)',
            op, tbl, CASE op WHEN 'insert' THEN 'REFERENCING NEW TABLE AS weir_new'
                             WHEN 'update' THEN 'REFERENCING OLD TABLE AS weir_old NEW TABLE AS weir_new'
                             WHEN 'delete' THEN 'REFERENCING OLD TABLE AS weir_old' ELSE '' END, args);
        -- ALWAYS: also under session_replication_role = replica
        EXECUTE format('ALTER TABLE ONLY %s %s TRIGGER weir_%s', tbl,
                       CASE WHEN for_slot THEN 'DISABLE' ELSE 'ENABLE ALWAYS' END, op);
    END LOOP;
END $$;

-- A slot tells an old row as far as the replica identity goes. Of a partitioned table that is the root's, and what a later
-- partition has by itself is the primary key: without one its first UPDATE would fail.
CREATE OR REPLACE FUNCTION weir.check_identity(tbl regclass, tags text[]) RETURNS void LANGUAGE plpgsql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(m[1], ', ') INTO missing
        FROM unnest(tags) tag, regexp_matches(tag, '\{([^{}]+)\}', 'g') m
        WHERE m[1] <> ALL (weir.identity_columns(tbl));
    IF missing IS NOT NULL OR weir.identity_columns(tbl) IS NULL THEN
        RAISE EXCEPTION 'weir.watch_slot: the replica identity of % has not %', tbl, coalesce(missing, 'any column')
            USING HINT = format('ALTER TABLE %s REPLICA IDENTITY FULL, or USING an INDEX with these columns.', tbl),
                  ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    IF EXISTS (SELECT FROM pg_class WHERE oid = tbl AND relkind = 'p')
       AND (NOT EXISTS (SELECT FROM pg_index WHERE indrelid = tbl AND indisprimary)
            OR EXISTS (SELECT FROM pg_class WHERE oid = tbl AND relreplident = 'i')) THEN
        RAISE EXCEPTION 'weir.watch_slot: the partitioned table % needs a primary key, and a replica identity that is this key or FULL', tbl
            USING HINT = 'A partition that is made later has the key, and nothing else, as its identity.',
                  ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;

-- watch and watch_slot.
CREATE OR REPLACE FUNCTION weir.set_watch(tbl regclass, tags text[], for_slot boolean) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    name regclass;
    rows_of text;
    args text;
    was text := weir.quiet('on');
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = tbl) NOT IN ('r', 'p') THEN
        RAISE EXCEPTION 'weir.watch: % is not a table', tbl
            USING HINT = 'Watch the tables below a view; foreign tables have no such triggers.', ERRCODE = 'wrong_object_type';
    END IF;
    IF cardinality(tags) NOT BETWEEN 1 AND 16 OR tags[1] ~ '[{}]' THEN
        RAISE EXCEPTION 'weir.watch: the first of 1 to 16 tags stands for the whole table and has no {column}'
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    SELECT string_agg(weir.tag_sql(tbl, t), ', ' ORDER BY i) INTO rows_of FROM unnest(tags) WITH ORDINALITY u(t, i);
    SELECT quote_literal(rows_of) || string_agg(', ' || quote_literal(t), '' ORDER BY i) INTO args
        FROM unnest(tags) WITH ORDINALITY u(t, i);
    PERFORM weir.unwatch(tbl);
    IF NOT for_slot AND current_setting('max_prepared_transactions')::int > 0 THEN
        RAISE WARNING 'weir.watch: a transaction that writes to % cannot be prepared (PREPARE TRANSACTION) from now on: PostgreSQL prepares none that has notified', tbl
            USING HINT = 'weir.watch_slot and events = "slot" notify nothing.';
    END IF;
    FOR name IN SELECT weir.tree(tbl) LOOP
        PERFORM weir.set_triggers(name, args, for_slot);
        IF for_slot THEN
            PERFORM weir.check_identity(name, tags);
        END IF;
    END LOOP;
    PERFORM weir.quiet(was);
    IF NOT for_slot THEN
        RETURN;
    END IF;
    IF EXISTS (SELECT FROM pg_partition_ancestors(tbl) a JOIN pg_publication_rel r ON r.prrelid = a.relid
               JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = 'weir' AND a.relid <> tbl) THEN
        RAISE EXCEPTION 'weir.watch_slot: a table that % is a partition of is watched; a slot tells its rows as that one''s', tbl
            USING HINT = 'Watch the partitioned table, with all tags.', ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- by the root: partitions that are made later belong to it
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = 'weir') THEN
        CREATE PUBLICATION weir WITH (publish_via_partition_root = true);
    ELSIF NOT (SELECT pubviaroot FROM pg_publication WHERE pubname = 'weir') THEN
        ALTER PUBLICATION weir SET (publish_via_partition_root = true);
    END IF;
    EXECUTE format('ALTER PUBLICATION weir ADD TABLE ONLY %s', tbl);
END $$;

-- From now on writes to tbl make void what is cached under these tags. The first tag is the table's: no {column} in it.
-- Again: the tags are replaced; a partition that was attached later is taken in.
CREATE OR REPLACE FUNCTION weir.watch(tbl regclass, VARIADIC tags text[]) RETURNS void LANGUAGE sql
    SET search_path = pg_catalog, pg_temp AS 'SELECT weir.set_watch(tbl, tags, false)';

-- The same for databases with events = "slot" in weir.conf: nothing is added to the writes.
CREATE OR REPLACE FUNCTION weir.watch_slot(tbl regclass, VARIADIC tags text[]) RETURNS void LANGUAGE sql
    SET search_path = pg_catalog, pg_temp AS 'SELECT weir.set_watch(tbl, tags, true)';

-- By hand: what is cached under these tags is void when this transaction commits.
CREATE OR REPLACE FUNCTION weir.invalidate(VARIADIC tags text[]) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM unnest(tags) t WHERE t IS NULL OR octet_length(t) NOT BETWEEN 1 AND 1000) THEN
        RAISE EXCEPTION 'weir.invalidate: a tag has 1 to 1000 bytes' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF cardinality(tags) > 0 THEN
        PERFORM weir.emit(tags);
        IF current_setting('wal_level') = 'logical' THEN    -- a slot keeps it for who is not there now
            PERFORM pg_logical_emit_message(true, 'weir', json_build_object('t', tags)::text);
        END IF;
    END IF;
END $$;

-- A trigger's arguments lie in the catalogue as bytes with a NUL behind each.
CREATE OR REPLACE FUNCTION weir.trigger_tags(args bytea) RETURNS text[] LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS $$
    SELECT (array_agg(convert_from(decode(a, 'escape'), getdatabaseencoding()) ORDER BY i)
            FILTER (WHERE i > 1 AND a <> ''))
    FROM unnest(string_to_array(encode(args, 'escape'), '\000')) WITH ORDINALITY u(a, i) $$;

DROP VIEW IF EXISTS weir.watched;
CREATE VIEW weir.watched AS
    SELECT t.tgrelid::regclass AS "table", weir.trigger_tags(t.tgargs) AS tags,
           CASE t.tgenabled WHEN 'D' THEN 'slot' ELSE 'notify' END AS events,
           ARRAY(SELECT m[1] FROM unnest(weir.trigger_tags(t.tgargs)) tag, regexp_matches(tag, '\{([^{}]+)\}', 'g') m
                 WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attname = m[1]
                                   AND a.attnum > 0 AND NOT a.attisdropped)) AS missing_columns
    FROM pg_trigger t JOIN pg_proc f ON f.oid = t.tgfoid
    WHERE t.tgname = 'weir_insert' AND f.proname = 'on_write' AND f.pronamespace = 'weir'::regnamespace;
COMMENT ON VIEW weir.watched IS 'Tables whose writes are told to Weir; missing_columns: renamed or dropped, watch again.';
GRANT SELECT ON weir.watched TO PUBLIC;

-- DDL. What is cached of a watched table may be of its past after ALTER TABLE, DROP TABLE, ATTACH, DETACH, a swap by rename: all
-- that is under tags is distrusted once. A partition that is new is watched like its table. It never fails a command.
CREATE OR REPLACE FUNCTION weir.is_watched(tbl oid) RETURNS boolean LANGUAGE sql STABLE
    SET search_path = pg_catalog, pg_temp AS
    'SELECT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = tbl AND tgname = ''weir_insert'' AND tgfoid = ''weir.on_write''::regproc)';

CREATE OR REPLACE FUNCTION weir.watch_partitions(tbl oid) RETURNS void LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    t pg_trigger;
    args text;
    name regclass;
    was text := weir.quiet('on');
BEGIN
    SELECT * INTO STRICT t FROM pg_trigger WHERE tgrelid = tbl AND tgname = 'weir_insert';
    SELECT string_agg(quote_literal(convert_from(decode(a, 'escape'), getdatabaseencoding())), ', ' ORDER BY i) INTO args
        FROM unnest(string_to_array(encode(t.tgargs, 'escape'), '\000')) WITH ORDINALITY u(a, i) WHERE a <> '';
    FOR name IN SELECT weir.tree(tbl) LOOP
        IF NOT weir.is_watched(name) THEN
            PERFORM weir.set_triggers(name, args, t.tgenabled = 'D');
        END IF;
    END LOOP;
    PERFORM weir.quiet(was);
END $$;

CREATE OR REPLACE FUNCTION weir.on_ddl() RETURNS event_trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp SET client_min_messages = warning AS $$
DECLARE
    c record;
    is_told boolean := false;
BEGIN
    IF current_setting('weir.quiet', true) = 'on' THEN
        RETURN;                     -- weir.watch and its like are at work
    END IF;
    FOR c IN SELECT DISTINCT d.command_tag, a.relid
             FROM pg_event_trigger_ddl_commands() d,
                  LATERAL (SELECT relid FROM pg_partition_ancestors(d.objid) UNION SELECT d.objid) a
             WHERE d.classid = 'pg_class'::regclass AND d.command_tag IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE TABLE AS')
                   AND weir.is_watched(a.relid) LOOP
        is_told := is_told OR c.command_tag = 'ALTER TABLE';
        BEGIN
            PERFORM weir.watch_partitions(c.relid);
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING 'weir: a partition of % is not watched: %; call weir.watch again', c.relid::regclass, SQLERRM;
        END;
    END LOOP;
    IF is_told THEN
        PERFORM weir.changed();
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'weir: a change of a table is not told: %', SQLERRM;
END $$;

CREATE OR REPLACE FUNCTION weir.on_drop() RETURNS event_trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_dropped_objects()
               WHERE object_type = 'trigger' AND address_names[cardinality(address_names)] = 'weir_insert') THEN
        PERFORM weir.changed();
    END IF;
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'weir: that a table was dropped is not told: %', SQLERRM;
END $$;

DO $$
BEGIN
    IF (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        DROP EVENT TRIGGER IF EXISTS weir_ddl;
        DROP EVENT TRIGGER IF EXISTS weir_drop;
        CREATE EVENT TRIGGER weir_ddl ON ddl_command_end WHEN TAG IN ('ALTER TABLE', 'CREATE TABLE', 'CREATE TABLE AS')
            EXECUTE FUNCTION weir.on_ddl();
        CREATE EVENT TRIGGER weir_drop ON sql_drop EXECUTE FUNCTION weir.on_drop();
    ELSIF NOT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'weir_ddl') THEN
        RAISE INFO 'weir: changes of watched tables by DDL will not be heard: event triggers need a superuser (doc/invalidation.md)';
    END IF;
END $$;
-- An update: triggers that were made by an earlier version say it in its way.
DO $$
DECLARE
    w record;
BEGIN
    FOR w IN SELECT * FROM weir.watched v
             WHERE NOT EXISTS (SELECT FROM pg_partition_ancestors(v."table") a WHERE a.relid <> v."table" AND weir.is_watched(a.relid))
                   AND EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = v."table" AND t.tgname = 'weir_insert'
                               AND position('coalesce(r.'::bytea IN t.tgargs) > 0) LOOP
        BEGIN
            PERFORM weir.set_watch(w."table", w.tags, w.events = 'slot');
        EXCEPTION WHEN OTHERS THEN
            RAISE WARNING '%: % goes on to tell its writes as before; call weir.watch with other tags', SQLERRM, w."table";
        END;
    END LOOP;
END $$;
COMMIT;
