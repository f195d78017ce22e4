-- Resident memory, the sum of its three parts; NULL if one is unknown, or if the sum is out of range.
CREATE MACRO unfiltered.rss(anon_bytes, file_bytes, shmem_bytes) AS TRY(anon_bytes + file_bytes + shmem_bytes);
