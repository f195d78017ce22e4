-- A path from the root of its mount namespace, without `/./` and `//`, with `..` kept; NULL if unknown.
CREATE MACRO unfiltered.full_path(origin, path, directory) AS REGEXP_REPLACE(
    CASE origin
        WHEN 'absolute' THEN COALESCE(directory, '') || path
        WHEN 'fd' THEN directory
        WHEN 'cwd' THEN CASE WHEN path IN ('', '.') THEN directory ELSE directory || '/' || path END
        WHEN 'dirfd' THEN CASE WHEN path IN ('', '.') THEN directory ELSE directory || '/' || path END
    END,
    '/(\.?/)+', '/', 'g'
);
