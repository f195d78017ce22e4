-- Whether a socket event is an attempt to connect: connect itself, or a send with MSG_FASTOPEN, the only sends that
-- are events.
CREATE MACRO unfiltered.connects(syscall) AS syscall IN ('connect', 'sendto', 'sendmsg', 'sendmmsg');
