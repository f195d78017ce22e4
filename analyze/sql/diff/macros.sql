-- A path without what is made up anew each time: numbers, and the letters of names in directories for temporary files.
CREATE MACRO diff.folded(path) AS REGEXP_REPLACE(REGEXP_REPLACE(path, '[0-9a-fA-F]{8,}', '#', 'g'), '[0-9]+', '#', 'g');
CREATE MACRO diff.pattern(path) AS CASE
    WHEN REGEXP_MATCHES(path, '^/(tmp|var/tmp|dev/shm)/') THEN
        REGEXP_EXTRACT(path, '^/(?:tmp|var/tmp|dev/shm)/')
        || REGEXP_REPLACE(REGEXP_EXTRACT(path, '^/(?:tmp|var/tmp|dev/shm)/([^/]*)', 1), '[A-Za-z0-9_]', 'x', 'g')
        || diff.folded(REGEXP_EXTRACT(path, '(?s)^/(?:tmp|var/tmp|dev/shm)/[^/]*(.*)$', 1))
    ELSE diff.folded(path)
END;
-- Whether one of two figures is so much more than the other that it is worth a line.
CREATE MACRO diff.apart(x, y) AS
    COALESCE(x, 0) > COALESCE(y, 0) * getvariable('ratio') OR COALESCE(y, 0) > COALESCE(x, 0) * getvariable('ratio');
