-- Whether a connect that succeeded took the peer away (AF_UNSPEC; connect(2)): the socket has none any more.
CREATE MACRO unfiltered.dissolves(syscall, family, error, remote_address) AS COALESCE(
    syscall = 'connect' AND family IN ('AF_INET', 'AF_INET6') AND error IS NULL AND remote_address IS NULL, FALSE
);
