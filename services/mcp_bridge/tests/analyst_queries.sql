-- Questions of every day, all of which must pass the guard and run on analyst_schema.sql. Each begins after a line "--# what it is".
--# constant
SELECT 1
--# trailing semicolon
SELECT count(*) FROM orders;
--# several trailing semicolons and comments
SELECT count(*) FROM orders; ; -- and that is it
/* really */ ;
--# comments of both kinds, nested
/* outer /* inner; DROP TABLE orders */ still outer */ SELECT id -- the key; COMMIT
FROM orders LIMIT 1
--# dangerous words in texts and identifiers only
SELECT 'DROP TABLE orders; COMMIT' AS "delete", $$pg_sleep(10)$$ AS "insert into", $x$ it's $x$ AS pg_sleep, E'it\'s \\ \u00e9' AS "FOR UPDATE"
--# star with limit and offset
SELECT * FROM orders ORDER BY placed DESC NULLS LAST LIMIT 5 OFFSET 2
--# fetch first with ties
SELECT * FROM orders ORDER BY total DESC FETCH FIRST 3 ROWS WITH TIES
--# where in all its forms
SELECT * FROM orders WHERE status IN ('open', 'paid') AND total BETWEEN 10 AND 50 AND placed IS NOT NULL AND NOT (total = 3 OR customer_id <> 1)
--# null-safe comparisons
SELECT name FROM customers WHERE country IS DISTINCT FROM 'DE' AND (manager IS NULL OR manager > 0) IS TRUE
--# inner, left, right, full, cross and natural joins
SELECT c.name, o.id, i.product FROM customers c JOIN orders o ON o.customer_id = c.id LEFT JOIN items i ON i.order_id = o.id
RIGHT JOIN customers m ON m.id = c.manager FULL JOIN articles a ON a.id = c.id CROSS JOIN (VALUES (1), (2)) v (n) NATURAL JOIN (SELECT 1 AS n) w LIMIT 5
--# join using with alias
SELECT j.id FROM orders JOIN (SELECT id, name FROM customers) c USING (id) AS j
--# self join
SELECT c.name, m.name AS manager FROM customers c LEFT JOIN customers m ON m.id = c.manager
--# group by with having
SELECT status, count(*), sum(total), avg(total)::numeric(10, 2), min(placed), max(placed) FROM orders GROUP BY status HAVING count(*) > 1 ORDER BY 2 DESC
--# filter and distinct aggregates
SELECT count(*) FILTER (WHERE status = 'open') AS open, count(DISTINCT customer_id) FROM orders
--# ordered-set aggregates
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY total), mode() WITHIN GROUP (ORDER BY status) FROM orders
--# string_agg and array_agg with order
SELECT customer_id, string_agg(status, ', ' ORDER BY placed), array_agg(DISTINCT status) FROM orders GROUP BY 1
--# grouping sets
SELECT status, customer_id, grouping(status, customer_id), sum(total) FROM orders GROUP BY GROUPING SETS ((status, customer_id), (status), ())
--# rollup and cube
SELECT status, customer_id, count(*) FROM orders GROUP BY DISTINCT ROLLUP (status), CUBE (customer_id)
--# distinct on
SELECT DISTINCT ON (customer_id) customer_id, id, placed FROM orders ORDER BY customer_id, placed DESC
--# window functions
SELECT id, row_number() OVER (PARTITION BY customer_id ORDER BY placed), lag(total) OVER w, sum(total) OVER (w ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)
FROM orders WINDOW w AS (PARTITION BY customer_id ORDER BY placed)
--# window frame with exclusion, ntile, first_value
SELECT ntile(4) OVER (ORDER BY total), first_value(total) OVER (ORDER BY placed RANGE BETWEEN interval '1 day' PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM orders
--# common table expression
WITH paid AS (SELECT * FROM orders WHERE status = 'paid'), per AS MATERIALIZED (SELECT customer_id, sum(total) AS s FROM paid GROUP BY 1)
SELECT c.name, per.s FROM per JOIN customers c ON c.id = per.customer_id
--# recursive
WITH RECURSIVE boss(id, name, depth) AS (SELECT id, name, 0 FROM customers WHERE manager IS NULL
UNION ALL SELECT c.id, c.name, b.depth + 1 FROM customers c JOIN boss b ON c.manager = b.id WHERE b.depth < 10) SELECT * FROM boss
--# recursive with search and cycle
WITH RECURSIVE t(id, up) AS (SELECT id, manager FROM customers UNION ALL SELECT c.id, c.manager FROM customers c, t WHERE t.up = c.id)
SEARCH DEPTH FIRST BY id SET o CYCLE id SET is_cycle USING path SELECT id, is_cycle FROM t ORDER BY o LIMIT 5
--# union, intersect, except
(SELECT id FROM customers UNION SELECT customer_id FROM orders) INTERSECT SELECT 1 EXCEPT ALL SELECT 2 ORDER BY 1
--# values
VALUES (1, 'one'), (2, 'two') ORDER BY 1
--# table
TABLE orders
--# lateral
SELECT c.name, last.id FROM customers c LEFT JOIN LATERAL (SELECT o.id FROM orders o WHERE o.customer_id = c.id ORDER BY o.placed DESC LIMIT 1) last ON true
--# exists and correlated sub-select
SELECT name, (SELECT max(total) FROM orders o WHERE o.customer_id = c.id) FROM customers c WHERE EXISTS (SELECT FROM orders o WHERE o.customer_id = c.id)
--# any, all, row comparison
SELECT id FROM orders WHERE customer_id = ANY (ARRAY[1, 2]) AND total >= ALL (SELECT 1) AND (id, status) > (1, 'a') AND id <> ALL ('{7,8}'::int[])
--# case
SELECT CASE status WHEN 'open' THEN 1 ELSE 0 END, CASE WHEN total > 10 THEN 'big' WHEN total IS NULL THEN 'none' END FROM orders
--# coalesce, nullif, greatest, least
SELECT coalesce(country, 'unknown'), nullif(country, 'DE'), greatest(id, 3), least(id, 3) FROM customers
--# casts
SELECT id::text, CAST(total AS int), '2024-01-01'::date, numeric '1.5', 'orders'::regclass, 'pg_sleep(double precision)'::regprocedure, 1::bit(3), '{1,2}'::int[] FROM orders LIMIT 1
--# date arithmetic
SELECT date_trunc('month', placed), extract(isodow FROM placed), age(now(), placed), placed + interval '1 month 2 days', placed::date - date '2024-01-01',
date_bin('15 minutes', placed, timestamp '2001-01-01'), to_char(placed, 'YYYY-MM') FROM orders
--# time zones
SELECT placed AT TIME ZONE 'Europe/Berlin', timezone('UTC', placed), now() AT TIME ZONE INTERVAL '-02:00', placed AT LOCAL FROM orders
--# overlaps and ranges
SELECT (date '2024-01-01', date '2024-02-01') OVERLAPS (date '2024-01-15', interval '3 days'), during && '[2024-01-01,2024-01-02)'::tstzrange, lower(during), upper(seats) FROM bookings
--# current things
SELECT current_user, session_user, user, current_database(), current_schema, current_catalog, version(), now(), current_timestamp(3), localtime, clock_timestamp(), current_date
--# generate_series
SELECT d::date, coalesce(sum(o.total), 0) FROM generate_series(date '2024-06-01', date '2024-06-07', interval '1 day') d LEFT JOIN orders o ON o.placed::date = d GROUP BY 1 ORDER BY 1
--# rows from, with ordinality and columns
SELECT * FROM ROWS FROM (generate_series(1, 3), unnest(ARRAY['a', 'b'])) WITH ORDINALITY AS t (n, x, o)
--# json operators
SELECT profile -> 'plan', profile ->> 'plan', profile #>> '{places,1}', profile @> '{"plan": "p1"}', profile ? 'plan', profile ?| ARRAY['a'], profile - 'plan', profile || '{"a": 1}' FROM customers
--# json paths
SELECT profile @? '$.places[*] ? (@ == "x")', profile @@ '$.seats > 3', jsonb_path_query_array(profile, '$.places[*]'), profile['places'][0] FROM customers
--# json functions
SELECT key, value FROM customers, jsonb_each_text(profile) WHERE id = 1
--# json building
SELECT json_agg(row_to_json(c)), jsonb_object_agg(id, name), json_build_object('a', 1), to_jsonb(ARRAY[1]) FROM customers c
--# jsonb_to_recordset
SELECT r.a, r.b FROM jsonb_to_recordset('[{"a": 1, "b": "x"}]') AS r (a int, b text)
--# standard json
SELECT JSON_OBJECT('a': 1, 'b': ARRAY[1] NULL ON NULL RETURNING jsonb), JSON_ARRAY(1, 'x'), JSON_ARRAY(SELECT id FROM customers), '{}' IS JSON OBJECT,
JSON_VALUE(profile, '$.seats' RETURNING int DEFAULT 0 ON EMPTY), JSON_QUERY(profile, '$.places' WITH WRAPPER), JSON_EXISTS(profile, '$.plan'), JSON_SCALAR(1), JSON('{}'),
JSON_SERIALIZE('{}' RETURNING text) FROM customers
--# standard json aggregates
SELECT JSON_OBJECTAGG(id: name), JSON_ARRAYAGG(name ORDER BY id) FILTER (WHERE id > 2) FROM customers
--# json_table
SELECT t.* FROM customers, JSON_TABLE(profile, '$' PASSING 1 AS one COLUMNS (n FOR ORDINALITY, plan text PATH '$.plan' DEFAULT 'none' ON EMPTY,
NESTED PATH '$.places[*]' AS p COLUMNS (place text PATH '$'))) AS t
--# xml
SELECT xpath('/a/b/text()', doc), xmlelement(name item, xmlattributes(id AS n), title), xmlserialize(CONTENT doc AS text), doc IS DOCUMENT, xmlexists('/a' PASSING doc) FROM articles
--# xmltable
SELECT x.* FROM articles, XMLTABLE('/a/b' PASSING doc COLUMNS n int PATH '@n', v text PATH '.' DEFAULT 'none', o FOR ORDINALITY) AS x
--# arrays
SELECT tags[1], tags[1:2], array_length(tags, 1), 'a' = ANY (tags), tags && ARRAY['a'], tags || 'z'::text, cardinality(tags), ARRAY(SELECT id FROM orders LIMIT 2), array_to_string(tags, ',') FROM customers
--# unnest
SELECT c.id, t.tag, t.n FROM customers c CROSS JOIN LATERAL unnest(c.tags) WITH ORDINALITY AS t (tag, n)
--# patterns
SELECT name FROM customers WHERE name LIKE 'c%' AND name ILIKE '%1%' AND name ~ '^cust\w+ \d+$' AND name !~* 'x' AND name SIMILAR TO '%(1|2)' AND name LIKE 'a\%' ESCAPE '\'
--# regular expression functions
SELECT regexp_replace(name, '\d+', '#', 'g'), regexp_matches(name, '(\d)', 'g'), regexp_split_to_array(name, '\s'), substring(name FROM '\d+') FROM customers
--# text functions
SELECT upper(name), length(name), left(name, 3), trim(both ' ' FROM name), position('c' IN name), overlay(name PLACING 'x' FROM 1 FOR 2), split_part(name, ' ', 2),
format('%s: %I', id, name), lpad(id::text, 5, '0'), md5(name), encode(sha256(name::bytea), 'hex'), concat_ws('-', id, name), translate(name, 'abc', 'xyz'), name COLLATE "C" FROM customers
--# full text search
SELECT title, ts_rank(words, q), ts_headline('english', body, q) FROM articles, websearch_to_tsquery('english', 'fox -cat') q WHERE words @@ q
--# full text search, spelled out
SELECT to_tsvector('simple', title) @@ (to_tsquery('first') && plainto_tsquery('x') || phraseto_tsquery('quick fox')) FROM articles
--# numbers
SELECT round(total, 1), ceil(total), total % 2, 2 ^ 3, |/ 4.0, abs(-total), mod(id, 2), width_bucket(total, 0, 100, 5), random() < 2, 1e3, 0x1F, 1_000, ln(2), trunc(total) FROM orders
--# statistics
SELECT corr(total, id), regr_slope(total, id), stddev_samp(total), variance(total), covar_pop(id, total) FROM orders
--# geometry and network types
SELECT place <-> point '(0,0)', place <@ box '((0,0),(5,5))', inet '10.0.0.1' << cidr '10.0.0.0/8', host(inet '10.0.0.1') FROM bookings
--# row and record
SELECT ROW(1, 'a'), (c).name, c.name, (c.*)::text, c FROM customers c
--# the team's own function, with a named argument
SELECT with_tax(total), shop.with_tax(amount => total, rate => 0.07) FROM orders
--# operator with schema
SELECT 1 OPERATOR(pg_catalog.+) 2, pg_catalog.upper('a'), "pg_catalog"."lower"('A')
--# tablesample
SELECT count(*) FROM orders TABLESAMPLE BERNOULLI (50) REPEATABLE (1)
--# only and inherited star
SELECT * FROM ONLY orders, customers * LIMIT 1
--# view
SELECT * FROM open_orders
--# order by expression, using, collate
SELECT name FROM customers ORDER BY lower(name) COLLATE "C" DESC, id USING <
--# unicode identifiers and texts
SELECT U&'d\0061t\+000061' AS U&"\0061b", 'größe 😀' AS "größe", N'x', x'1F', b'101'
--# odd white space
	SELECT
	id	FROM
orders
--# explain
EXPLAIN SELECT * FROM orders WHERE id = 1
--# explain analyze
EXPLAIN ANALYZE SELECT count(*) FROM orders
--# explain with options
EXPLAIN (ANALYZE, BUFFERS, VERBOSE, COSTS off, SUMMARY true, FORMAT json) WITH o AS (SELECT * FROM orders) SELECT * FROM o
--# explain values
EXPLAIN VERBOSE VALUES (1)
--# show
SHOW server_version
--# show in words
SHOW TRANSACTION ISOLATION LEVEL
--# show time zone
SHOW TIME ZONE
--# show the search path
SHOW search_path
--# current_setting
SELECT current_setting('server_version_num')::int >= 120000, current_setting('work_mem', true)
--# information_schema
SELECT table_name, column_name, data_type, is_nullable FROM information_schema.columns WHERE table_schema = 'shop' ORDER BY ordinal_position
--# foreign keys from information_schema
SELECT tc.table_name, kcu.column_name, ccu.table_name FROM information_schema.table_constraints tc JOIN information_schema.key_column_usage kcu USING (constraint_name)
JOIN information_schema.constraint_column_usage ccu USING (constraint_name) WHERE tc.constraint_type = 'FOREIGN KEY'
--# tables and their sizes
SELECT n.nspname, c.relname, c.reltuples, pg_size_pretty(pg_total_relation_size(c.oid)), pg_relation_size(c.oid), pg_get_userbyid(c.relowner), obj_description(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'v', 'm') AND pg_table_is_visible(c.oid)
--# columns as psql asks for them
SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), pg_get_expr(d.adbin, d.adrelid), a.attnotnull, col_description(a.attrelid, a.attnum)
FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON (a.attrelid, a.attnum) = (d.adrelid, d.adnum) WHERE a.attrelid = 'shop.orders'::regclass AND a.attnum > 0
--# indexes and constraints
SELECT i.indexname, i.indexdef, pg_get_constraintdef(c.oid) FROM pg_indexes i LEFT JOIN pg_constraint c ON c.conname = i.indexname WHERE i.schemaname = 'shop'
--# definitions
SELECT pg_get_viewdef('shop.open_orders'::regclass, true), pg_get_functiondef('shop.with_tax'::regproc), pg_get_serial_sequence('shop.orders', 'id')
--# usage statistics
SELECT relname, seq_scan, idx_scan, n_live_tup, last_autovacuum FROM pg_stat_user_tables ORDER BY seq_scan DESC
--# unused indexes and cache hits
SELECT indexrelname, idx_scan, pg_size_pretty(pg_relation_size(indexrelid)), (SELECT sum(blks_hit) FROM pg_stat_database) FROM pg_stat_user_indexes
--# locks
SELECT locktype, mode, granted, pid, pg_blocking_pids(pid) FROM pg_locks
--# privileges
SELECT has_table_privilege('orders', 'SELECT'), has_schema_privilege(current_user, 'shop', 'USAGE'), pg_has_role(current_user, 'pg_monitor', 'MEMBER')
--# roles, databases, extensions, settings
SELECT r.rolname, d.datname, pg_size_pretty(pg_database_size(d.oid)), e.extname, s.setting FROM pg_roles r, pg_database d, pg_extension e, pg_settings s WHERE s.name = 'max_connections' LIMIT 1
--# column statistics
SELECT attname, null_frac, n_distinct, most_common_vals FROM pg_stats WHERE schemaname = 'shop'
--# partitions and inheritance
SELECT pg_partition_root('shop.orders'), relid, level FROM pg_partition_tree('shop.orders')
--# is it a replica, how long has it been up
SELECT pg_is_in_recovery(), now() - pg_postmaster_start_time(), pg_backend_pid(), inet_server_port()
--# cohort
WITH first AS (SELECT customer_id, date_trunc('month', min(placed)) AS cohort FROM orders GROUP BY 1)
SELECT first.cohort, count(DISTINCT o.customer_id), round(100.0 * sum(o.total) / nullif(sum(sum(o.total)) OVER (), 0), 2) AS share
FROM first JOIN orders o USING (customer_id) GROUP BY first.cohort ORDER BY first.cohort
--# pivot by filter
SELECT c.country, sum(o.total) FILTER (WHERE o.status = 'open') AS open, sum(o.total) FILTER (WHERE o.status = 'paid') AS paid
FROM orders o JOIN customers c ON c.id = o.customer_id GROUP BY ROLLUP (c.country)
