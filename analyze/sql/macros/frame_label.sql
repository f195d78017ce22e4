-- What a function of a stack is called: its name, or else where its address is, or why nothing is known.
CREATE MACRO unfiltered.frame_label(function, module, address, missing) AS COALESCE(
    function,
    REGEXP_EXTRACT(module, '[^/]*$') || '+' || FORMAT('0x{:x}', address),
    FORMAT('0x{:x}', address),
    '[' || COALESCE(missing, 'unknown') || ']'
);
