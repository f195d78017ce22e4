-- Whether this function is where a thread begins, by its name, or because it is the C library's, which calls what it starts.
-- `inner`: the module of the function that it calls.
CREATE MACRO unfiltered.starts_thread(function, module, inner_module) AS COALESCE(
    REGEXP_MATCHES(function,
        '^(_start|_dl_start_user|start_thread|_?_?clone3?|thread_start|runtime\.(goexit|mstart|mcall|rt0_go|systemstack)(\.abi0)?'
        || '|__libc_start_(main|call_main)(@.*)?|_dl_relocate_static_pie|ret_from_fork(_asm)?)$'),
    FALSE
) OR COALESCE(
    REGEXP_MATCHES(module, '/(libc|libpthread|ld-linux|ld-musl|ld)[-.][^/]*$') AND inner_module IS DISTINCT FROM module
        AND inner_module IS NOT NULL,
    FALSE
);
