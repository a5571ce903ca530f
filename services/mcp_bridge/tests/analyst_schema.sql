-- The little shop that the queries in analyst_queries.sql ask about, and what an attack could change.
CREATE SCHEMA shop;
SET search_path = shop, public;
CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, country text, joined date, manager int, tags text[], profile jsonb);
CREATE TABLE orders (id serial PRIMARY KEY, customer_id int REFERENCES customers, placed timestamptz, status text, total numeric(10, 2));
CREATE TABLE items (order_id int REFERENCES orders, product text, quantity int, price numeric(10, 2));
CREATE TABLE articles (id int, title text, body text, words tsvector GENERATED ALWAYS AS (to_tsvector('english', body)) STORED, doc xml);
CREATE TABLE bookings (room int, during tstzrange, place point, seats int4range);
CREATE INDEX orders_placed ON orders (placed);
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
CREATE FUNCTION with_tax(amount numeric, rate numeric DEFAULT 0.19) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT amount * (1 + rate)';
INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['DE', 'FR', NULL])[n % 3 + 1], date '2024-01-01' + n, nullif(n / 2, 0),
  ARRAY['a', 'b' || n], jsonb_build_object('plan', 'p' || n % 2, 'seats', n, 'places', jsonb_build_array('x', n)) FROM generate_series(1, 10) n;
INSERT INTO orders (customer_id, placed, status, total)
  SELECT n % 10 + 1, timestamptz '2024-06-01 10:00+00' + n * interval '7 hours', (ARRAY['open', 'paid'])[n % 2 + 1], n * 3.5 FROM generate_series(1, 40) n;
INSERT INTO items SELECT n % 40 + 1, 'product ' || n % 5, n, n * 1.25 FROM generate_series(1, 90) n;
INSERT INTO articles VALUES (1, 'First', 'The quick brown foxes jumped', DEFAULT, '<a><b n="1">x</b><b n="2">y</b></a>');
INSERT INTO bookings VALUES (1, '[2024-01-01 10:00+00,2024-01-01 12:00+00)', '(1,2)', '[1,5)');
