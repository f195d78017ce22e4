-- Whether a successful connect removed the socket's peer (AF_UNSPEC; connect(2)).
CREATE MACRO unfiltered.dissolves(syscall, family, error, remote_address) AS COALESCE(
    syscall = 'connect' AND family IN ('AF_INET', 'AF_INET6') AND error IS NULL AND remote_address IS NULL, FALSE
);
