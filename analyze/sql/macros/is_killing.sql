-- Whether a process that this signal ended crashed (SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGSYS), was
-- killed or went over a limit (SIGKILL, SIGXCPU, SIGXFSZ). Others end what was asked to end.
CREATE MACRO unfiltered.is_killing(signal) AS signal IN (4, 5, 6, 7, 8, 9, 11, 24, 25, 31);
