-- DNS: which names each process asked for, at which server, and how long the answers took.
--
-- Queries over UDP to port 53, in clear. The time is that from sending a query until the process had read its answer.
-- Not seen are those over TCP, TLS or HTTPS, and of processes that ask a resolver on this machine in another way, such as
-- over a unix socket; the resolver's own queries are.
--
-- needs: main.dns, unfiltered.processes, unfiltered.record_type
CREATE VIEW report.dns(
    -- Process id (thread group id).
    pid,
    -- Last known command name; '(other)' for all processes that did not fit into a full map, without names.
    comm,
    -- The name, in lower case; NULL if a query could not be read.
    domain,
    -- Type of the records, such as A or AAAA.
    type,
    -- Address of the server.
    server,
    -- Queries sent, with those that were repeated.
    queries,
    -- Answers read.
    answers,
    -- Queries without an answer in the window.
    unanswered,
    -- Response code of most answers, such as NOERROR or NXDOMAIN; NULL if there was none.
    outcome,
    -- Answers that were truncated, so that the query is repeated over TCP.
    truncated,
    -- Mean time until an answer [ms].
    mean_ms,
    -- The longest [ms].
    max_ms,
    -- Start time of the process, since boot [ns]. (pid, start) identifies a process.
    start
) AS
WITH
by_answer AS (
    SELECT process_key, domain, record_type, remote_address, answer,
        SUM(queries) AS queries,
        SUM(answers) AS answers,
        SUM(truncated_answers) AS truncated,
        SUM(answer_ns) AS ns,
        MAX(max_answer_ns) AS max_ns
    FROM main.dns
    GROUP BY process_key, domain, record_type, remote_address, answer
),
totals AS (
    SELECT process_key, domain, record_type, remote_address,
        SUM(queries) AS queries,
        SUM(answers) AS answers,
        MAX_BY(answer, (answers, answer)) AS outcome,
        SUM(truncated) AS truncated,
        SUM(ns) AS ns,
        MAX(max_ns) AS max_ns
    FROM by_answer
    GROUP BY process_key, domain, record_type, remote_address
)
SELECT
    t.process_key.pid,
    CASE WHEN t.process_key.pid = 0 THEN '(other)' ELSE p.comm END,
    t.domain,
    unfiltered.record_type(t.record_type),
    t.remote_address,
    TRY_CAST(t.queries AS BIGINT),
    TRY_CAST(t.answers AS BIGINT),
    TRY_CAST(GREATEST(t.queries - t.answers, 0) AS BIGINT),
    CASE WHEN t.answers > 0 THEN t.outcome END,
    TRY_CAST(t.truncated AS BIGINT),
    CAST(t.ns AS DOUBLE PRECISION) / 1e6 / NULLIF(t.answers, 0),
    CASE WHEN t.answers > 0 THEN t.max_ns / 1e6 END,
    t.process_key.start
FROM totals AS t
LEFT JOIN unfiltered.processes AS p ON p.process_key = t.process_key
ORDER BY t.ns DESC, t.queries DESC, t.process_key.pid, t.process_key.start, t.domain NULLS LAST, t.record_type NULLS LAST,
    t.remote_address NULLS LAST;
