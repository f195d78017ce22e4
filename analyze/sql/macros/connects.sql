-- Whether an event of a socket is an attempt to connect: connect itself, and sends with MSG_FASTOPEN, the only ones that are
-- events.
CREATE MACRO unfiltered.connects(syscall) AS syscall IN ('connect', 'sendto', 'sendmsg', 'sendmmsg');
