-- What every peer reads: world (one row by key), fortune (12 rows), item (50 rows x 6 columns a group, about 8.8 KB of JSON).
-- Deterministic: no random(), so that answers of two runs can be compared.
CREATE TABLE world (id int PRIMARY KEY, randomnumber int NOT NULL);
INSERT INTO world SELECT i, (i::bigint * 7919 + 104729) % 10000 + 1 FROM generate_series(1, 10000) i;

CREATE TABLE fortune (id int PRIMARY KEY, message text NOT NULL);
INSERT INTO fortune VALUES
	(1, 'fortune: No such file or directory'),
	(2, 'A computer scientist is someone who fixes things that aren''t broken.'),
	(3, 'After enough decimal places, nobody gives a damn.'),
	(4, 'A bad random number generator: 1, 1, 1, 1, 1, 4.33e+67, 1, 1, 1'),
	(5, 'A computer program does what you tell it to do, not what you want it to do.'),
	(6, 'Emacs is a nice operating system, but I prefer UNIX. — Tom Christaensen'),
	(7, 'Any program that runs right is obsolete.'),
	(8, 'A list is only as strong as its weakest link. — Donald Knuth'),
	(9, 'Feature: A bug with seniority.'),
	(10, 'Computers make very fast, very accurate mistakes.'),
	(11, '<script>alert("This should not be displayed in a browser alert box.");</script>'),
	(12, 'フレームワークのベンチマーク');

CREATE TABLE item (
	id int PRIMARY KEY, grp int NOT NULL, name text NOT NULL, category text NOT NULL,
	price int NOT NULL, featured bool NOT NULL, description text NOT NULL);
INSERT INTO item
SELECT i, (i - 1) / 50 + 1, 'Item number ' || i,
       (ARRAY['chairs', 'lamps', 'tables', 'shelves', 'desks'])[i % 5 + 1],
       (i::bigint * 104729) % 90000 + 1000, i % 7 = 0,
       CASE WHEN i % 10 = 0 THEN 'A 24" piece, ' ELSE 'A plain piece, ' END
       || 'made of solid oak and brass, to be built by hand in a while'
  FROM generate_series(1, 10000) i;
CREATE INDEX item_grp ON item (grp, id); -- for /rows50
