-- Statements that the guard must refuse, one a line; lines with "--#" say what follows. hunter2 stands for a value that no message may repeat.
--# several statements, and ways out of a read-only transaction
COMMIT; INSERT INTO orders (status) VALUES ('hunter2')
SELECT 1; COMMIT; DROP TABLE orders
COMMIT; BEGIN READ WRITE; INSERT INTO orders (status) VALUES ('hunter2'); COMMIT
SET TRANSACTION READ WRITE; INSERT INTO orders (status) VALUES ('hunter2'); COMMIT
COMMIT; SET default_transaction_read_only = off
COMMIT; COPY (SELECT 1) TO PROGRAM 'touch /tmp/hunter2'
COMMIT; SET statement_timeout = 0
SELECT 1; SELECT 2
SELECT 1 /* ; */ ; /* */ DROP TABLE orders
SELECT 'a'';' ; DROP TABLE orders --'
SELECT $a$ $b$ ; $a$; DROP TABLE orders; --$b$
--# transactions and sessions
COMMIT
ROLLBACK
BEGIN
START TRANSACTION READ WRITE
END
ABORT
SAVEPOINT a
RELEASE SAVEPOINT a
PREPARE TRANSACTION 'hunter2'
SET statement_timeout = 0
SET LOCAL role = postgres
SET ROLE postgres
SET SESSION AUTHORIZATION postgres
SET TRANSACTION READ WRITE
RESET ROLE
RESET ALL
DISCARD ALL
PREPARE p AS SELECT 1
EXECUTE p
DEALLOCATE ALL
DECLARE c CURSOR WITH HOLD FOR SELECT 1
FETCH ALL FROM c
CLOSE c
LISTEN hunter2
NOTIFY hunter2, 'hunter2'
UNLISTEN *
--# data
INSERT INTO orders (status) VALUES ('hunter2')
INSERT INTO orders (status) VALUES ('hunter2') RETURNING *
UPDATE orders SET status = 'hunter2'
DELETE FROM orders WHERE status = 'hunter2'
MERGE INTO orders o USING customers c ON o.customer_id = c.id WHEN MATCHED THEN DELETE
TRUNCATE orders
COPY orders TO '/tmp/hunter2'
COPY orders FROM PROGRAM 'curl hunter2'
COPY (SELECT 1) TO STDOUT
LOCK TABLE orders
WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone
WITH a AS (WITH b AS (INSERT INTO orders (status) VALUES ('hunter2') RETURNING *) SELECT * FROM b) SELECT * FROM a
SELECT * FROM (WITH u AS (UPDATE orders SET status = 'hunter2' RETURNING 1) SELECT * FROM u) s
SELECT (WITH m AS (MERGE INTO orders o USING customers c ON true WHEN MATCHED THEN DELETE RETURNING 1) SELECT count(*) FROM m)
WITH a AS (SELECT 1) INSERT INTO orders (status) SELECT 'hunter2' FROM a
WITH a AS (SELECT 1) DELETE FROM orders
SELECT * INTO stolen FROM orders
SELECT 1 UNION SELECT 2 INTO stolen
WITH a AS (SELECT 1) SELECT * INTO TEMP stolen FROM a
SELECT * FROM orders FOR UPDATE
SELECT * FROM orders FOR NO KEY UPDATE SKIP LOCKED
SELECT * FROM orders FOR SHARE OF orders NOWAIT
SELECT * FROM (SELECT * FROM orders FOR KEY SHARE) s
--# definitions and administration
CREATE TABLE stolen (a int)
CREATE TABLE stolen AS SELECT * FROM orders
CREATE TEMP TABLE stolen AS VALUES (1)
CREATE MATERIALIZED VIEW stolen AS SELECT 1
CREATE VIEW stolen AS SELECT 1
CREATE EXTENSION dblink
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'
CREATE ROLE hunter2 SUPERUSER
CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (password 'hunter2')
CREATE SCHEMA stolen
CREATE INDEX ON orders (status)
ALTER TABLE orders DROP COLUMN status
ALTER ROLE CURRENT_USER PASSWORD 'hunter2'
ALTER ROLE CURRENT_USER SET statement_timeout = 0
ALTER ROLE CURRENT_USER SET default_transaction_read_only = off
ALTER USER postgres VALID UNTIL 'infinity'
ALTER SYSTEM SET archive_command = 'hunter2'
ALTER DATABASE postgres SET app.hunter2 = 'x'
DROP TABLE orders
DROP OWNED BY CURRENT_USER
REASSIGN OWNED BY CURRENT_USER TO postgres
GRANT ALL ON orders TO PUBLIC
REVOKE ALL ON orders FROM PUBLIC
COMMENT ON TABLE orders IS 'hunter2'
SECURITY LABEL ON TABLE orders IS 'hunter2'
IMPORT FOREIGN SCHEMA public FROM SERVER s INTO public
VACUUM FULL orders
ANALYZE orders
CLUSTER orders
REINDEX TABLE orders
CHECKPOINT
REFRESH MATERIALIZED VIEW m
LOAD 'hunter2'
DO $$ BEGIN PERFORM 1; END $$
DO LANGUAGE plpython3u 'import os'
CALL hunter2()
--# explain of what is not reading
EXPLAIN ANALYZE DELETE FROM orders
EXPLAIN INSERT INTO orders (status) VALUES ('hunter2')
EXPLAIN (ANALYZE, FORMAT json) WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
EXPLAIN ANALYZE CREATE TABLE stolen AS SELECT 1
EXPLAIN ANALYZE SELECT * INTO stolen FROM orders
EXPLAIN ANALYZE EXECUTE p
EXPLAIN ANALYZE SELECT pg_terminate_backend(1)
EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1
--# files, programs, network
SELECT pg_read_file('/etc/hunter2')
SELECT pg_catalog.pg_read_binary_file('/etc/hunter2')
SELECT "pg_read_file"('/etc/hunter2')
SELECT PG_Catalog.PG_Read_File ('/etc/hunter2')
SELECT U&"pg\005fread\005ffile"('/etc/hunter2')
SELECT U&"pg!005fread!005ffile" UESCAPE '!' ('/etc/hunter2')
SELECT pg_catalog . /* here */ pg_read_file -- there
SELECT hunter2.pg_catalog.pg_read_file('/etc/hunter2')
SELECT * FROM pg_read_file('/etc/hunter2')
SELECT * FROM ROWS FROM (generate_series(1, 2), pg_ls_dir('/hunter2'))
SELECT * FROM orders, LATERAL pg_read_file(status)
SELECT pg_ls_dir('.')
SELECT * FROM pg_ls_logdir()
SELECT * FROM pg_ls_waldir()
SELECT pg_stat_file('postgresql.conf')
SELECT pg_current_logfile()
SELECT pg_file_write('hunter2', 'hunter2', false)
SELECT lo_import('/etc/hunter2')
SELECT lo_export(1, '/tmp/hunter2')
SELECT dblink('host=hunter2', 'SELECT 1')
SELECT * FROM dblink_exec('host=hunter2', 'DROP TABLE orders')
SELECT public.dblink_connect('hunter2')
SELECT postgres_fdw_disconnect_all()
SELECT http_get('http://hunter2')
SELECT net.http_post('http://hunter2')
SELECT aws_s3.query_export_to_s3('SELECT 1', 'hunter2')
SELECT xslt_process('hunter2', 'hunter2')
--# large objects
SELECT lo_from_bytea(0, 'hunter2')
SELECT lo_creat(-1)
SELECT lo_create(0)
SELECT lo_unlink(1)
SELECT lo_put(1, 0, 'hunter2')
SELECT lo_get(1)
SELECT lowrite(lo_open(1, 131072), 'hunter2')
SELECT loread(0, 1)
SELECT lo_truncate(0, 0)
SELECT * FROM pg_largeobject
--# SQL in a text
SELECT query_to_xml('DELETE FROM orders', true, true, 'hunter2')
SELECT query_to_xmlschema('SELECT pg_sleep(9)', true, true, '')
SELECT query_to_xml_and_xmlschema('SELECT 1', true, true, '')
SELECT table_to_xml('pg_authid', true, true, '')
SELECT schema_to_xml('pg_catalog', true, true, '')
SELECT database_to_xml(true, true, '')
SELECT cursor_to_xml('hunter2', 1, true, true, '')
SELECT * FROM XMLTABLE('/a' PASSING query_to_xml('SELECT 1', true, true, '') COLUMNS a text)
SELECT * FROM XMLTABLE('/a' PASSING '<a/>'::xml COLUMNS a text DEFAULT pg_read_file('/hunter2'))
SELECT ts_stat('SELECT pg_sleep(9)::text::tsvector')
SELECT ts_rewrite('a'::tsquery, 'SELECT pg_sleep(9)')
SELECT * FROM crosstab('SELECT pg_sleep(9)') AS c (a int)
SELECT * FROM pgr_dijkstra('SELECT 1', 1, 2)
SELECT * FROM cypher('g', $$ CREATE (a) $$) AS (a text)
SELECT xpath_table('a', 'b', 'pg_authid', '/', 'true')
--# settings, sessions, locks, sleep
SELECT set_config('statement_timeout', '0', false)
SELECT set_config('role', 'postgres', false) FROM orders
SELECT pg_sleep(3600)
SELECT pg_sleep_for('1 hour'), pg_sleep_until('tomorrow')
SELECT pg_catalog."pg_sleep"(1)
SELECT 1 FROM orders WHERE pg_sleep(1) IS NULL
SELECT 1 ORDER BY pg_sleep(1)
SELECT 1 LIMIT (SELECT 1 FROM pg_sleep(1))
SELECT 1 OFFSET length(pg_sleep(1)::text)
SELECT 1 GROUP BY pg_sleep(1)
SELECT count(*) FILTER (WHERE pg_sleep(1) IS NULL) FROM orders
SELECT sum(1) OVER (PARTITION BY pg_sleep(1)) FROM orders
SELECT sum(1) OVER w FROM orders WINDOW w AS (ORDER BY pg_sleep(1))
SELECT array_agg(1 ORDER BY pg_sleep(1))
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY length(pg_sleep(1)::text))
SELECT CASE WHEN true THEN pg_sleep(1) END
SELECT COALESCE(NULL, pg_sleep(1)::text)
SELECT ARRAY[pg_sleep(1)]
SELECT (ARRAY[1])[length(pg_sleep(1)::text)]
SELECT ROW(pg_sleep(1))
SELECT with_tax(rate => length(pg_sleep(1)::text), amount => 1)
SELECT format(VARIADIC ARRAY[pg_sleep(1)::text])
SELECT EXISTS (SELECT pg_sleep(1))
SELECT 1 WHERE 1 = ANY (SELECT length(pg_sleep(1)::text))
SELECT * FROM orders JOIN customers ON pg_sleep(1) IS NULL
SELECT * FROM orders TABLESAMPLE SYSTEM (length(pg_sleep(1)::text))
SELECT * FROM orders TABLESAMPLE hunter2.evil (1)
SELECT JSON_OBJECT('a': pg_sleep(1)::text)
SELECT JSON_VALUE('{}', '$.a' DEFAULT pg_sleep(1)::text ON EMPTY)
SELECT * FROM JSON_TABLE(pg_read_file('/hunter2')::jsonb, '$' COLUMNS (a text PATH '$'))
SELECT JSON_ARRAY(SELECT pg_sleep(1)::text)
SELECT JSON_ARRAYAGG(pg_sleep(1)::text)
SELECT xmlelement(name a, pg_sleep(1)::text)
VALUES (1, pg_sleep(1))
WITH RECURSIVE t AS (SELECT 1 UNION ALL SELECT length(pg_sleep(1)::text) FROM t) SELECT * FROM t
SELECT 1 UNION ALL (SELECT 2 UNION SELECT length(pg_sleep(1)::text))
SELECT pg_sleep(1)::text COLLATE "C" LIKE 'a'
SELECT CAST(pg_sleep(1) AS text)
SELECT pg_advisory_lock(1)
SELECT pg_try_advisory_xact_lock_shared(1, 2)
SELECT pg_advisory_unlock_all()
SELECT pg_notify('hunter2', 'hunter2')
SELECT setseed(0.5)
SELECT set_limit(0.5)
--# attribute notation: t.f calls f(t)
SELECT t.pg_sleep FROM generate_series(1, 1) t
SELECT t.pg_read_file FROM lower('/etc/hunter2') t
SELECT ('/etc/hunter2'::text).pg_read_file
SELECT (ARRAY['/etc/hunter2'])[1].pg_read_file
SELECT (s.x).pg_read_file FROM (SELECT '/etc/hunter2'::text AS x) s
SELECT ((SELECT '/etc/hunter2'::text)).pg_ls_dir
SELECT t."pg_terminate_backend" FROM generate_series(1, 9) t
SELECT 1 FROM generate_series(1, 9) t ORDER BY t.pg_advisory_lock
SELECT t.nextval FROM CAST('orders_id_seq' AS regclass) t
SELECT ('app.hunter2'::text).current_setting
SELECT t.current_setting FROM lower('app.hunter2') t
SELECT t.lo_import FROM lower('/etc/hunter2') t
--# other backends, replication, write-ahead log, statistics, sequences
SELECT pg_terminate_backend(pid) FROM pg_locks
SELECT pg_cancel_backend(1)
SELECT pg_reload_conf()
SELECT pg_rotate_logfile()
SELECT pg_log_backend_memory_contexts(1)
SELECT pg_switch_wal()
SELECT pg_create_restore_point('hunter2')
SELECT pg_backup_start('hunter2')
SELECT pg_start_backup('hunter2')
SELECT pg_promote()
SELECT pg_wal_replay_pause()
SELECT pg_create_physical_replication_slot('hunter2')
SELECT pg_create_logical_replication_slot('hunter2', 'test_decoding')
SELECT pg_drop_replication_slot('hunter2')
SELECT * FROM pg_logical_slot_get_changes('hunter2', NULL, NULL)
SELECT pg_logical_emit_message(false, 'hunter2', 'hunter2')
SELECT pg_replication_origin_create('hunter2')
SELECT pg_export_snapshot()
SELECT txid_current()
SELECT pg_current_xact_id()
SELECT pg_stat_reset()
SELECT pg_stat_reset_shared('io')
SELECT pg_stat_statements_reset()
SELECT pg_restore_relation_stats('relname', 'orders')
SELECT pg_clear_attribute_stats('shop', 'orders', 'status', false)
SELECT pg_import_system_collations('pg_catalog')
SELECT pg_extension_config_dump('orders', '')
SELECT pg_nextoid('pg_class', 'oid', 'pg_class_oid_index')
SELECT binary_upgrade_set_next_pg_authid_oid(1)
SELECT pg_prewarm('orders')
SELECT pg_truncate_visibility_map('orders')
SELECT heap_force_kill('orders', ARRAY['(0,1)'::tid])
SELECT get_raw_page('pg_authid', 0)
SELECT brin_summarize_new_values('orders_placed')
SELECT gin_clean_pending_list('orders_placed')
SELECT nextval('orders_id_seq')
SELECT setval('orders_id_seq', 1)
SELECT id, nextval('orders_id_seq') FROM orders
SELECT cron.schedule('* * * * *', 'DROP TABLE orders')
SELECT pg_hunter_of_a_later_release()
--# secrets
SELECT rolname, rolpassword FROM pg_authid
SELECT * FROM pg_catalog.pg_shadow
SELECT * FROM "pg_authid"
TABLE pg_authid
SELECT (SELECT passwd FROM pg_shadow LIMIT 1)
SELECT a.* FROM orders o JOIN pg_authid a ON true
WITH a AS (TABLE pg_shadow) SELECT * FROM a
SELECT * FROM pg_user_mappings
SELECT * FROM information_schema.user_mapping_options
SELECT subconninfo FROM pg_subscription
SELECT * FROM pg_statistic
SELECT * FROM pg_hba_file_rules
SELECT * FROM pg_file_settings
SELECT * FROM pg_db_role_setting
SELECT query FROM pg_stat_activity
SELECT pg_stat_get_activity(NULL)
SELECT pg_stat_get_backend_activity(1)
SELECT query FROM pg_stat_statements
SELECT * FROM pg_toast.pg_toast_1260
SELECT pg_hba_file_rules()
SHOW primary_conninfo
SHOW app.hunter2
SELECT current_setting('app.hunter2')
SELECT current_setting('app.' || 'hunter2')
SELECT pg_catalog.current_setting(status) FROM orders
SELECT * FROM current_setting('primary_conninfo')
