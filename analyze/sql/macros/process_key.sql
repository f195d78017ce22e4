-- What tells one process from all others, in one value: joins, groups and partitions go by it.
--
-- Starts that are unknown are equal in it, in a join by `=` as in groups. So the key of a parent whose start is unknown,
-- which is nobody, has to be NULL. What adds up all calls, or puts processes together, goes by `pid` and `start` and has
-- the key made of those: of ten million rows it took 3 to 9 % more CPU time by a struct of both. One number of 128
-- bits is no cheaper, but in windows.
CREATE MACRO unfiltered.process_key(pid, start) AS struct_pack(pid := pid, start := start);
