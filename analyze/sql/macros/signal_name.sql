-- Name of a signal, after include/uapi/asm-generic/signal.h; real-time signals as strace names them, counted from 32.
CREATE MACRO unfiltered.signal_name(signal) AS CASE
    WHEN signal BETWEEN 1 AND 31 THEN SPLIT_PART(
        'SIGHUP SIGINT SIGQUIT SIGILL SIGTRAP SIGABRT SIGBUS SIGFPE SIGKILL SIGUSR1 SIGSEGV SIGUSR2 SIGPIPE SIGALRM '
        || 'SIGTERM SIGSTKFLT SIGCHLD SIGCONT SIGSTOP SIGTSTP SIGTTIN SIGTTOU SIGURG SIGXCPU SIGXFSZ SIGVTALRM SIGPROF '
        || 'SIGWINCH SIGIO SIGPWR SIGSYS',
        ' ', signal
    )
    WHEN signal BETWEEN 32 AND 64 THEN 'SIGRT_' || CAST(signal - 32 AS VARCHAR)
END;
