-- Whether this function is where a thread begins, by its name, or because it is one without a name of the C library, which
-- calls what it starts. If it has another name, such as qsort, it called back. `inner`: the module of the function that it
-- calls. `start` is musl's.
CREATE MACRO unfiltered.starts_thread(function, module, inner_module) AS COALESCE(
    REGEXP_MATCHES(function,
        '^(_start|_dl_start_user|start_thread|_?_?clone3?|thread_start|runtime\.(goexit|mstart|mcall|rt0_go|systemstack)(\.abi0)?'
        || '|__libc_start_(main|main_impl|call_main)(@.*)?|libc_start_main_stage2|_start_c|_dl_relocate_static_pie|ret_from_fork(_asm)?)$'),
    FALSE
) OR COALESCE(
    REGEXP_MATCHES(module, '/(libc|libpthread|ld-linux|ld-musl|ld)[-.][^/]*$') AND inner_module IS DISTINCT FROM module
        AND inner_module IS NOT NULL AND REGEXP_MATCHES(function, '(\+0x[0-9a-f]+|^start)$'),
    FALSE
);
