-- Names that are looked up slowly.
--
-- A process waited 1 s or more in all for the answers of a DNS server, 50 ms or more for each on average, or sent it at
-- least 3 queries and got no answer to any. High if it got none. Only queries over UDP, in clear, are seen: for others see
-- `name_lookup`.
--
-- needs: finding.process, main.dns
-- kept: window
-- only of: dns
CREATE VIEW finding.slow_dns(
    -- Severity: 'high', 'medium' or 'low'.
    severity,
    -- Rank among findings of the same severity, higher is worse; for most rules the share of the window.
    weight,
    -- Process id of the process concerned; NULL if there is none or there are several.
    pid,
    -- Start time of that process, since boot [ns].
    start,
    -- What the finding is about; NULL for the process, shown by name and id.
    subject,
    -- What is wrong, as a continuation of the subject.
    summary,
    -- The evidence in numbers.
    evidence,
    -- The threshold.
    threshold,
    -- Arguments of `sysmon report TRACE` that show more.
    command,
    -- Kinds of rows it is based on, in alphabetical order.
    rests_on
) AS
WITH
servers AS (
    SELECT process_key, remote_address,
        CAST(SUM(queries) AS DOUBLE PRECISION) AS queries,
        CAST(SUM(answers) AS DOUBLE PRECISION) AS answers,
        SUM(answer_ns) / 1e9 AS total_s,
        MAX(max_answer_ns) / 1e6 AS max_ms,
        MODE(domain) AS domain,
        COUNT(DISTINCT domain) AS domains
    FROM main.dns
    GROUP BY process_key, remote_address
),
facts AS (
    SELECT *, COALESCE('such as for ' || domain, 'for names that cannot be read') AS words
    FROM servers
)
SELECT
    CASE WHEN f.answers = 0 THEN 'high' ELSE 'medium' END,
    CASE WHEN f.answers = 0 THEN f.queries ELSE f.total_s END,
    p.pid,
    p.start,
    NULL,
    CASE
        WHEN f.answers = 0 THEN FORMAT('gets no answer from the DNS server {}', f.remote_address)
        ELSE FORMAT('waits {:.1f} s for the DNS server {}', f.total_s, f.remote_address)
    END,
    FORMAT('{:,.0f} queries for {:,} names, {:,.0f} answers', f.queries, f.domains, f.answers)
    || CASE
        WHEN f.answers = 0 THEN ', '
        ELSE FORMAT(', {:.1f} ms each and {:.1f} ms at most, ', f.total_s / f.answers * 1e3, f.max_ms)
    END
    || f.words,
    '1 s and 50 ms for each answer, or 3 queries without any answer',
    FORMAT('dns --pid {}', p.pid),
    'dns'
FROM facts AS f
JOIN finding.process AS p ON p.process_key = f.process_key
WHERE f.remote_address IS NOT NULL
    AND ((f.total_s >= 1 AND f.total_s >= 0.05 * f.answers) OR (f.answers = 0 AND f.queries >= 3));
