-- Whether a process that this signal ended crashed (SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS), was
-- killed or went over a limit (SIGKILL, SIGXCPU, SIGXFSZ). Other signals are the usual way to end a process.
CREATE MACRO unfiltered.is_killing(signal) AS signal IN (4, 5, 6, 7, 8, 9, 11, 24, 25, 31);
